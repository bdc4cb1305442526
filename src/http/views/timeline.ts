import { html } from 'ghtml'
import type { Period } from '../models.ts'
import { counted } from './figures.ts'
import { plain } from './shown_text.ts'
import { ticksBetween } from './time_axis.ts'

/** The latest periods, which are drawn; all of them are in the table. */
const mostDrawn = 24
const rowHeight = 40
const axisHeight = 26

/**
 * The periods drawn to scale, the latest on top, each in a row of its own with its label above its bar. Places across are
 * shares of the width, so that letters keep their size on a phone.
 */
export function timeline(history: readonly Period[], name: string, now: Date): string {
  const drawn = history.slice(-mostDrawn).toReversed()
  if (drawn.length === 0) return ''
  const from = Math.min(...drawn.map((period) => Date.parse(period.start_date)))
  const until = Math.max(now.getTime(), ...drawn.map(endOf(now)))
  const place = (at: number) => ((at - from) / Math.max(until - from, 1)) * 100
  const bottom = drawn.length * rowHeight
  const height = bottom + axisHeight
  return html`<div class="timeline"><svg role="img" aria-labelledby="timeline-title" width="100%" height="${height}" focusable="false">
<title id="timeline-title">Timeline of ${plain(name, 40)}: ${counted(history.length, 'period')}. The table below says the same.</title>
!${ticksBetween(new Date(from), new Date(until)).map(({ at, label }) => tick(place(at.getTime()), label, bottom))}
!${drawn.map((period, row) => bar(period, row * rowHeight, place(Date.parse(period.start_date)), place(endOf(now)(period))))}
</svg>!${history.length > drawn.length ? html`<p class="quiet">The latest ${drawn.length} of ${history.length} periods are drawn.</p>` : ''}</div>`
}

function endOf(now: Date): (period: Period) => number {
  return ({ end_date }) => (end_date === null ? now.getTime() : Date.parse(end_date))
}

function tick(x: number, label: string, bottom: number): string {
  const anchor = x < 4 ? 'start' : x > 96 ? 'end' : 'middle'
  return html`<line class="tick" x1="${share(x)}" x2="${share(x)}" y1="0" y2="${bottom + 4}"/><text class="tick-label" x="${share(x)}" y="${bottom + 19}" text-anchor="${anchor}">${label}</text>`
}

function bar(period: Period, top: number, start: number, end: number): string {
  const tone = period.has_no_results ? 'none' : period.end_date === null ? 'current' : 'past'
  const days = `${period.start_date.slice(0, 10)} – ${period.end_date?.slice(0, 10) ?? 'now'}`
  const ticker = period.has_no_results ? 'no ticker' : plain(period.ticker ?? '', 16)
  const [x, anchor] =
    start <= 30 ? [start, 'start'] : end >= 70 ? [end, 'end'] : [(start + end) / 2, 'middle']
  return html`<g class="period ${tone}"><text x="${share(x)}" y="${top + 15}" text-anchor="${anchor}"><tspan class="ticker">${ticker}</tspan><tspan class="days" dx="8">${days}</tspan></text><rect x="${share(start)}" y="${top + 21}" width="${share(Math.max(end - start, 0.3))}" height="9" rx="2.5"/></g>`
}

function share(x: number): string {
  return `${Math.round(Math.min(Math.max(x, 0), 99.7) * 100) / 100}%`
}
