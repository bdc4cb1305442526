import { InvalidArgumentError } from 'commander'
import { parseAsOf } from '../as_of.ts'

/** A day as it is (YYYY-MM-DD), or an instant, which needs its zone, as a Date. */
export function parseDayOrInstant(text: string): Date | string {
  const given = parseAsOf(text)
  if (given !== null) return given
  throw new InvalidArgumentError(
    'It is a day (2021-03-09, the whole day in UTC) or an instant with its zone (2021-03-09T14:30:00Z).',
  )
}

const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** From when on: the beginning of a day in UTC, an instant with its zone, or so long before now (`7d`). */
export function parseSince(text: string): Date {
  const [, count, unit = ''] = /^(\d{1,5})([mhdw])$/.exec(text) ?? []
  if (count !== undefined) return new Date(Date.now() - Number(count) * (unitMs[unit] ?? 0))
  try {
    const given = parseDayOrInstant(text)
    return given instanceof Date ? given : new Date(`${given}T00:00:00Z`)
  } catch {
    throw new InvalidArgumentError(
      'It is a day (2021-03-09, from its beginning in UTC), an instant with its zone (2021-03-09T14:30:00Z), or so long ago: 30m, 12h, 7d, 4w.',
    )
  }
}

/** In UTC: the day alone where it is midnight, else to the second. */
export function shownInstant(date: Date | null): string {
  if (!date || Number.isNaN(date.getTime())) return ''
  const text = date.toISOString()
  return text.endsWith('T00:00:00.000Z') ? text.slice(0, -14) : `${text.slice(0, -5).replace('T', ' ')}Z`
}
