import { html } from 'ghtml'
import type { Bearer } from '../models.ts'
import { day } from './instant.ts'
import { searchLink, shown } from './shown_text.ts'
import { type Column, emptyState, table } from './table.ts'

const columns: readonly Column<Bearer>[] = [
  { title: 'Identifier', cell: ({ identifier_value }) => searchLink(identifier_value) },
  { title: 'Type', cell: ({ identifier_type }) => shown(identifier_type) },
  { title: 'From', cell: ({ start_date }) => day(start_date) },
  { title: 'Until', cell: ({ end_date }) => (end_date === null ? 'now' : day(end_date)) },
  { title: 'Name', kind: 'wide', cell: ({ name }) => shown(name) },
]

/** A ticker backwards: which identifiers bear it, then which once did. */
export function bearersBody(bearers: readonly Bearer[]): string {
  if (bearers.length === 0) {
    return emptyState(
      'Nobody bears this ticker',
      '<p>Only what is known here can be found backwards. Look up an identifier, and its ticker is known from then on.</p>',
    )
  }
  const now = bearers.filter(({ end_date }) => end_date === null)
  const once = bearers.filter(({ end_date }) => end_date !== null)
  return `${part('bear-it', 'Bear it now', now)}${part('bore-it', 'Bore it once', once)}`
}

function part(id: string, title: string, bearers: readonly Bearer[]): string {
  if (bearers.length === 0) return ''
  return html`<section aria-labelledby="${id}-heading"><h2 id="${id}-heading">${title}</h2>!${table(bearers, { id, caption: title, columns })}</section>`
}
