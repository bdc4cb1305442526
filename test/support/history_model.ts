/**
 * The rule of history, said once more and by brute force, a day at a time: what SQL derives is held against it. Everything
 * here is in whole days, counted from the first.
 */

/** A record of a file: seen on these days, the last one excluded, and said to be current on `heldOn`. Ticker '' is "none". */
export interface SightedDays {
  readonly ticker: string
  readonly source: 'import' | 'sec_ftd'
  readonly from: number
  readonly until: number
  readonly heldOn: number | null
}

/** A row that stands, until null where it is open. */
export interface Standing {
  readonly ticker: string
  readonly from: number
  readonly until: number | null
}

export interface DerivedPeriod {
  readonly ticker: string
  readonly from: number
  readonly until: number | null
}

interface Run {
  readonly plain: string
  readonly from: number
  lastSeen: number
  held: boolean
}

const plainTicker = (ticker: string) => ticker.toUpperCase().replace(/[^A-Z0-9]/g, '')

export function derivedHistory(
  sighted: readonly SightedDays[],
  standing: readonly Standing[],
  days: number,
): DerivedPeriod[] {
  const periods: DerivedPeriod[] = []
  const runs: Run[] = []
  const end = (until: number | null) => {
    const run = runs.pop()
    if (run) periods.push({ ticker: spelling(run.plain, sighted, standing), from: run.from, until })
  }
  for (let day = 0; day < days; day += 1) {
    const stands = standing.find((row) => row.from <= day && (row.until === null || day < row.until))
    const open = runs[0]
    if (stands) {
      if (open) end(open.held || plainTicker(stands.ticker) === open.plain ? day : open.lastSeen + 1)
      continue
    }
    const shown = winner(sighted, day)
    if (shown === null) continue
    if (open && open.plain !== shown) end(day)
    if (runs.length === 0) runs.push({ plain: shown, from: day, lastSeen: day, held: false })
    const run = runs[0] as Run
    run.lastSeen = day
    run.held ||= sighted.some((one) => one.heldOn === day && plainTicker(one.ticker) === shown)
  }
  const last = runs[0]
  if (last) end(last.held ? null : last.lastSeen + 1)
  return periods
}

const compare = (one: string, other: string) => (one === other ? 0 : one < other ? -1 : 1)

interface Row extends SightedDays {
  readonly plain: string
  /** Of the ticker, however it is spelled, and of this spelling. */
  readonly firstSeen: number
  readonly firstSpelled: number
  readonly days: readonly SightedDays[]
}

/** One row a source and spelling, the better first: import before the SEC, then the ticker first seen later, then the alphabet. */
function ranked(sighted: readonly SightedDays[]): Row[] {
  const rows = Map.groupBy(sighted, (one) => `${one.source} ${one.ticker}`)
  const firstSeen = (of: (one: SightedDays) => boolean) =>
    Math.min(...sighted.filter(of).map((one) => one.from))
  return [...rows.values()]
    .map((days): Row => {
      const [first] = days as [SightedDays]
      const plain = plainTicker(first.ticker)
      return {
        ...first,
        days,
        plain,
        firstSeen: firstSeen((one) => one.source === first.source && plainTicker(one.ticker) === plain),
        firstSpelled: firstSeen((one) => one.source === first.source && one.ticker === first.ticker),
      }
    })
    .sort(
      (one, other) =>
        one.source.localeCompare(other.source) ||
        other.firstSeen - one.firstSeen ||
        compare(one.plain, other.plain) ||
        other.firstSpelled - one.firstSpelled ||
        compare(one.ticker, other.ticker),
    )
}

function winner(sighted: readonly SightedDays[], day: number): string | null {
  const best = ranked(sighted).find((row) => row.days.some((one) => one.from <= day && day < one.until))
  return best ? plainTicker(best.ticker) : null
}

/** As what stands spells it, the latest first; else as the best source does. */
function spelling(plain: string, sighted: readonly SightedDays[], standing: readonly Standing[]): string {
  const known = standing
    .filter((row) => plainTicker(row.ticker) === plain)
    .sort((one, other) => other.from - one.from)[0]
  return (known ?? ranked(sighted).find((row) => plainTicker(row.ticker) === plain))?.ticker ?? plain
}
