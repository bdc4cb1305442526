import { parseAsOf } from '../as_of.ts'
import { ownCopy } from '../import/own_copy.ts'

/** The time that a row asks for: undefined is now, null a date that cannot be read. */
export type TimeOfRow = (date: string | null) => Date | string | null | undefined

/** The time of all rows; what holds today or later is what holds now. */
export function oneTime(asOf: Date | string | undefined, now: Date): TimeOfRow {
  const time = asOf === undefined ? undefined : pastOf(asOf, now)
  return () => time
}

/** Each row's own: a day, whole and in UTC, or an instant with its zone. */
export function ownTimes(now: Date): TimeOfRow {
  // Files repeat their dates.
  const known = new Map<string, ReturnType<TimeOfRow>>()
  return (date) => {
    const text = (date ?? '').trim()
    if (text.length > longest) return null
    if (known.has(text)) return known.get(text)
    const asOf = parseAsOf(text)
    const time = asOf === null ? null : pastOf(asOf, now)
    if (known.size < mostKnown) known.set(ownCopy(text), time)
    return time
  }
}

const mostKnown = 10_000

/** Longer is no date. */
const longest = 40

function pastOf(asOf: Date | string, now: Date): Date | string | undefined {
  const isPast = asOf instanceof Date ? asOf < now : asOf < now.toISOString().slice(0, 10)
  return isPast ? asOf : undefined
}
