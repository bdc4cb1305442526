/** A day that the calendar has, from year 1: YYYY-MM-DD. */
function isDay(text: string): boolean {
  if (!/^(?!0000)\d{4}-\d{2}-\d{2}$/.test(text)) return false
  const midnight = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(text)
}

const instant = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(?:(Z)|([+-]\d{2}):?(\d{2}))$/i

/** A day as it is (YYYY-MM-DD), or an instant, which needs its zone, as a Date; null for any other text. */
export function parseAsOf(text: string): Date | string | null {
  if (isDay(text)) return text
  const [, day = '', time, zulu, hours, minutes] = instant.exec(text) ?? []
  const date = new Date(`${day}T${time}${zulu ? 'Z' : `${hours}:${minutes}`}`)
  return isDay(day) && !Number.isNaN(date.getTime()) ? date : null
}

/** An instant or a day as it was given; throws a RangeError for what is neither. */
export function checkedAsOf(asOf: unknown): Date | string {
  if (asOf instanceof Date) {
    if (!Number.isNaN(asOf.getTime())) return asOf
    throw new RangeError('asOf is no valid date')
  }
  if (typeof asOf === 'string' && isDay(asOf)) return asOf
  const given = typeof asOf === 'string' ? JSON.stringify(asOf) : `a ${typeof asOf}`
  throw new RangeError(
    `asOf is ${given}: it must be a Date (an instant) or a day as YYYY-MM-DD (the whole day in UTC)`,
  )
}
