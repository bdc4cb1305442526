/**
 * What the writes of one identifier make, by the rule of upsert_mapping said once more; and the search for an order of writes
 * that overlapped in time which explains the rows that are there. All times in microseconds: those of calls by the caller's
 * clock, instants by the server's, and never is one held against the other.
 */

/** From when to when something may have happened: a write's own instant is exact, the server's lies about the call. */
export interface Moment {
  readonly from: number
  readonly to: number
}

export interface Write {
  readonly kind: 'observe' | 'clear' | 'purge'
  /** When it was called, and when it was answered. */
  readonly start: number
  readonly end: number
  /** The instant that it says of what it writes. */
  readonly at: Moment
  readonly ticker: string | null
  readonly figi: string | null
}

/** A row as it is found in the end. */
export interface FoundPeriod {
  readonly ticker: string | null
  readonly figi: string | null
  readonly from: number
  readonly until: number | null
  readonly fetched: number
}

interface Period {
  readonly ticker: string | null
  readonly figi: string | null
  readonly from: Moment
  readonly until: Moment | null
  readonly fetched: Moment
}

/** Every state that a write may leave: more than one where instants that are not known exactly decide. */
function after(periods: readonly Period[], write: Write): readonly (readonly Period[])[] {
  if (write.kind === 'purge') return [[]]
  const last = periods.at(-1)
  const before = periods.slice(0, -1)
  const { at, ticker, figi } = write
  if (write.kind === 'clear')
    return [last && last.until === null ? [...before, { ...last, until: at }] : periods]
  const opened = { ticker, figi, from: at, until: null, fetched: at }
  if (!last) return [[opened]]
  const known = last.until ?? last.fetched
  const states: (readonly Period[])[] = []
  // At the very instant of the end a new period begins; at that of the last look nothing is new.
  const mayBeNews = last.until ? at.to >= known.from : at.to > known.from
  const mayBeOld = last.until ? at.from < known.to : at.from <= known.to
  if (mayBeNews && last.until) states.push([...periods, opened])
  if (mayBeNews && !last.until && last.ticker === ticker)
    states.push([...before, { ...last, figi: figi ?? last.figi, fetched: at }])
  if (mayBeNews && !last.until && last.ticker !== ticker)
    states.push([...before, { ...last, until: at }, opened])
  if (mayBeOld) states.push(periods)
  return states
}

const lies = (at: number, { from, to }: Moment) => from <= at && at <= to

function explains({ ticker, figi, from, until, fetched }: Period, row: FoundPeriod | undefined): boolean {
  return (
    row !== undefined &&
    row.ticker === ticker &&
    row.figi === figi &&
    lies(row.from, from) &&
    lies(row.fetched, fetched) &&
    (row.until === null ? until === null : until !== null && lies(row.until, until))
  )
}

/** Whether what is found may still come of it: nothing but a purge changes any but the last of them. */
function mayLeadTo(
  found: readonly FoundPeriod[],
  periods: readonly Period[],
  left: readonly Write[],
): boolean {
  return (
    left.some(({ kind }) => kind === 'purge') ||
    (periods.length <= found.length &&
      periods.slice(0, -1).every((period, place) => explains(period, found[place])))
  )
}

/** More steps than this and the history was too long: the test has to do less. */
const mostSteps = 2_000_000

/**
 * Whether the writes, one after the other in some order in which none goes before one that had been answered when it was
 * called, leave what was found.
 */
export function isExplained(writes: readonly Write[], found: readonly FoundPeriod[]): boolean {
  const all = writes.toSorted((one, other) => one.start - other.start)
  const seen = new Set<string>()
  let steps = 0
  const search = (left: readonly Write[], periods: readonly Period[]): boolean => {
    if (left.length === 0)
      return (
        periods.length === found.length && periods.every((period, place) => explains(period, found[place]))
      )
    if (!mayLeadTo(found, periods, left)) return false
    const key = `${left.map((write) => all.indexOf(write)).join()} ${JSON.stringify(periods)}`
    if (seen.has(key)) return false
    seen.add(key)
    steps += 1
    if (steps > mostSteps) throw new Error(`${writes.length} writes overlap too much to be told apart`)
    const firstEnd = Math.min(...left.map(({ end }) => end))
    return left
      .filter(({ start }) => start <= firstEnd)
      .some((write) => {
        const rest = left.filter((other) => other !== write)
        return after(periods, write).some((state) => search(rest, state))
      })
  }
  return search(all, [])
}

/** A lookup of one identifier, and what it said. */
export interface Look {
  readonly start: number
  readonly end: number
  readonly status: string
  readonly ticker: string | null
  readonly figi: string | null
}

/** Why what a lookup said was true at no moment between its call and its answer; null where it may have been. */
export function whyUntrue(look: Look, writes: readonly Write[]): string | null {
  const isAfter = (one: Write, other: Write) => one.start > other.end
  const known = look.status === 'hit' || look.status === 'stale' || look.status === 'negative'
  if (!known) {
    const forgets = writes.filter(({ kind, start }) => kind !== 'observe' && start <= look.end)
    const kept = writes.find(
      (write) =>
        write.kind === 'observe' &&
        write.end < look.start &&
        // Whatever is older than the instant of a clear changes nothing, also where it is told later.
        !forgets.some(
          (forget) => forget.end >= write.start || (forget.kind === 'clear' && forget.at.to >= write.at.from),
        ),
    )
    return kept ? `nothing was found, and ${kept.ticker} had been written and not cleared` : null
  }
  const sources = writes.filter(
    (write) =>
      write.kind === 'observe' &&
      write.start <= look.end &&
      write.ticker === look.ticker &&
      (write.ticker === null || write.figi === look.figi),
  )
  if (sources.length === 0) return `nobody wrote ${look.ticker} with ${look.figi}`
  const isGone = (source: Write) =>
    writes.some(
      (later) =>
        later !== source &&
        later.end < look.start &&
        isAfter(later, source) &&
        (later.kind !== 'observe' ||
          // What is told late, of an instant before that of the source, changes nothing.
          (later.at.from > source.at.to && (later.ticker !== source.ticker || later.figi !== source.figi))),
    )
  return sources.every(isGone)
    ? `${look.ticker} with ${look.figi} had been replaced before it was asked for`
    : null
}
