import { ownCopy } from './own_copy.ts'

const day = 86_400_000

/** Year, month and day, with hyphens or without; then perhaps a time, then perhaps a zone. */
const iso =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*(Z|UTC|[+-]\d{2}(?::?\d{2})?)?)?$/i
const compact = /^(\d{4})(\d{2})(\d{2})$/
const epoch = /^\d{9,10}(\.\d+)?$/
const epochMilliseconds = /^\d{12,13}$/

/** No source is older: what claims to be, is a mistake. */
const earliest = Date.UTC(1900, 0, 1)
const latest = Date.UTC(10_000, 0, 1)

/**
 * An instant in milliseconds since 1970 from an ISO date (its midnight, UTC), YYYYMMDD, an ISO instant (in UTC where it
 * names no zone), or the seconds or milliseconds since 1970. Null for all else: 03/04/2021 is a day in March here and in
 * April there.
 */
export function parseInstant(raw: unknown): number | null {
  if (typeof raw === 'number') return within(instantOf(String(raw)))
  if (typeof raw !== 'string') return null
  if (raw.length > longest) return null
  const known = parsed.get(raw)
  if (known !== undefined) return known
  const instant = within(instantOf(raw.trim()))
  if (parsed.size >= mostParsed) parsed.clear()
  parsed.set(ownCopy(raw), instant)
  return instant
}

/** Files repeat their dates. */
const parsed = new Map<string, number | null>()
const mostParsed = 2_000

/** Longer is no date, whatever blanks are around it. */
const longest = 100

const within = (instant: number | null) =>
  instant !== null && instant >= earliest && instant < latest ? instant : null

/** Midnight, UTC, of eight digits that are a day; null where they are none. */
export function parseDay(text: string): number | null {
  return compact.test(text) ? parseInstant(text) : null
}

export const nextDay = (instant: number): number => instant + day

function instantOf(text: string): number | null {
  if (epochMilliseconds.test(text)) return Number(text)
  if (epoch.test(text)) return Math.round(Number(text) * 1000)
  const parts = compact.exec(text) ?? iso.exec(text)
  if (parts === null) return null
  const [, year, month, dayOfMonth, hour, minute, second, fraction, zone] = parts
  const instant = utcOf([year, month, dayOfMonth, hour, minute, second])
  const offset = offsetOf(zone)
  if (instant === null || offset === null) return null
  return instant + Math.floor(Number(`0.${fraction ?? 0}`) * 1000) - offset
}

/** Null where Date would quietly take the 31st of February for the 3rd of March. */
function utcOf(parts: readonly (string | undefined)[]): number | null {
  const [year = 0, month = 1, dayOfMonth = 1, hour = 0, minute = 0, second = 0] = parts.map((part) =>
    Number(part ?? 0),
  )
  const instant = Date.UTC(year, month - 1, dayOfMonth, hour, minute, second)
  const date = new Date(instant)
  const isThatDay = date.getUTCMonth() === month - 1 && date.getUTCDate() === dayOfMonth
  return year >= 1900 && isThatDay && hour < 24 && minute < 60 && second < 60 ? instant : null
}

/** Milliseconds east of UTC; null where no clock is so far from it. */
function offsetOf(zone: string | undefined): number | null {
  const parts = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone ?? '')
  if (parts === null) return 0
  const [hours, rest] = [Number(parts[2]), Number(parts[3] ?? 0)]
  if (hours > 15 || rest > 59) return null
  const minutes = hours * 60 + rest
  return (parts[1] === '-' ? -minutes : minutes) * 60_000
}
