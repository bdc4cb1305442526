const hour = 3_600_000
const most = 5

export interface Tick {
  readonly at: Date
  readonly label: string
}

/** Lengths between ticks that people count in: hours, days, months. */
const steps: readonly { readonly months?: number; readonly ms?: number }[] = [
  { ms: hour },
  { ms: 3 * hour },
  { ms: 6 * hour },
  { ms: 24 * hour },
  { ms: 7 * 24 * hour },
  ...[1, 3, 6, 12, 24, 60, 120, 240, 600].map((months) => ({ months })),
]

/** At most five round instants (UTC) between two, with labels no more exact than needed. */
export function ticksBetween(from: Date, until: Date): Tick[] {
  for (const step of steps) {
    const ticks = ticksOf(step, from, until)
    if (ticks !== null) return ticks
  }
  return []
}

/** Null where there would be too many. */
function ticksOf({ months, ms }: (typeof steps)[number], from: Date, until: Date): Tick[] | null {
  const ticks: Tick[] = []
  if (ms !== undefined) {
    for (let at = Math.ceil(from.getTime() / ms) * ms; at <= until.getTime(); at += ms) {
      const text = new Date(at).toISOString()
      ticks.push({ at: new Date(at), label: ms < 24 * hour ? text.slice(11, 16) : text.slice(5, 10) })
      if (ticks.length > most) return null
    }
    return ticks
  }
  const step = months ?? 12
  const first = from.getUTCFullYear() * 12 + from.getUTCMonth()
  for (let month = Math.ceil(first / step) * step; ; month += step) {
    const at = new Date(Date.UTC(Math.floor(month / 12), month % 12, 1))
    if (at > until) return ticks
    if (at < from) continue
    ticks.push({ at, label: at.toISOString().slice(0, step < 12 ? 7 : 4) })
    if (ticks.length > most) return null
  }
}
