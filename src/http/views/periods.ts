import { html } from 'ghtml'
import type { Period } from '../models.ts'
import { day } from './instant.ts'
import { absent, searchLink, shown } from './shown_text.ts'
import { type Column, table } from './table.ts'

const columns: readonly Column<Period>[] = [
  { title: 'Ticker', cell: (period) => tickerOf(period) },
  { title: 'From', cell: ({ start_date }) => day(start_date) },
  { title: 'Until', cell: ({ end_date }) => (end_date === null ? 'now' : day(end_date)) },
  { title: 'Name', kind: 'wide', cell: ({ name }) => shown(name) },
  { title: 'Exchange', cell: ({ exch_code }) => shown(exch_code) },
  { title: 'FIGI', cell: ({ figi }) => code(figi) },
  { title: 'Last fetched', cell: ({ last_fetched_date }) => day(last_fetched_date) },
  { title: 'Source', cell: ({ source }) => shown(source) },
]

/** The timeline as a table, latest first. */
export function periodsTable(history: readonly Period[]): string {
  return table(history.toReversed(), { id: 'periods', caption: 'Timeline, latest first', columns })
}

/** The ticker of a period, or that it had none. */
function tickerOf({ ticker, has_no_results }: Period): string {
  return has_no_results ? '<i>no ticker known</i>' : searchLink(ticker)
}

export function code(text: string | null): string {
  return text === null ? absent : html`<span class="code">!${shown(text)}</span>`
}
