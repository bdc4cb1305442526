import { html } from 'ghtml'
import { duration } from './figures.ts'
import { absent } from './shown_text.ts'

/** In UTC to the minute: `2026-11-22 17:41 UTC`; the day alone where it is midnight. */
export function utc(at: Date): string {
  const text = at.toISOString()
  return text.endsWith('T00:00:00.000Z') ? text.slice(0, 10) : `${text.slice(0, 16).replace('T', ' ')} UTC`
}

/** The same to the second. */
export function exact(at: Date): string {
  return `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** `3 minutes ago`, `in 2 days`, `now`. */
export function ago(at: Date, now: Date): string {
  const seconds = Math.round((now.getTime() - at.getTime()) / 1000)
  if (Math.abs(seconds) < 1) return 'now'
  const length = largestUnit(Math.abs(seconds))
  return seconds > 0 ? `${length} ago` : `in ${length}`
}

const daySeconds = 86_400
const monthSeconds = 2_629_800

/** Days up to 90, then whole months, then years, to the nearest. */
function largestUnit(seconds: number): string {
  const months = Math.round(seconds / monthSeconds)
  if (months >= 24) return counted(Math.round(months / 12), 'year')
  if (seconds >= 91 * daySeconds) return counted(months, 'month')
  for (const [name, length] of [
    ['day', daySeconds],
    ['hour', 3600],
    ['minute', 60],
  ] as const) {
    const count = Math.floor(seconds / length)
    if (count >= 1) return counted(count, name)
  }
  return duration(seconds)
}

/** Nobody wants to know that something was 3 days 4 hours ago. */
function counted(count: number, name: string): string {
  return `${count} ${name}${count === 1 ? '' : 's'}`
}

/** A time of the model as HTML: absolute, and how long ago. */
export function instant(text: string | null, now: Date): string {
  if (text === null) return absent
  const at = new Date(text)
  return html`<span class="instant"><time datetime="${at.toISOString()}" title="${exact(at)}">${utc(at)}</time> <span class="ago">${ago(at, now)}</span></span>`
}

/** The day of it, with the whole in `datetime`. */
export function day(text: string | null): string {
  if (text === null) return absent
  const at = new Date(text)
  return html`<time datetime="${at.toISOString()}" title="${exact(at)}">${at.toISOString().slice(0, 10)}</time>`
}
