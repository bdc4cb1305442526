import { html } from 'ghtml'

export interface Column<Row> {
  readonly title: string
  /** Of one row, as HTML. */
  readonly cell: (row: Row) => string
  /** `figure`: aligned to the right, with numerals of one width; `wide`: may break into lines; `act`: a button. */
  readonly kind?: 'figure' | 'wide' | 'act'
}

/**
 * A table that scrolls inside itself where it is wider than the screen. Its first column heads the row. The key of a row
 * keeps it the same row when the page is fetched anew.
 */
export function table<Row>(
  rows: readonly Row[],
  options: {
    /** Names the table for who cannot see what stands above it, and gives it an id. */
    readonly id: string
    readonly caption: string
    readonly columns: readonly Column<Row>[]
  },
): string {
  const { id, caption, columns } = options
  return html`<div class="scroll" role="group" aria-labelledby="${id}-caption" tabindex="0">
<table id="${id}">
<caption class="unseen" id="${id}-caption">${caption}</caption>
<thead><tr>!${columns.map((column) => heading(column))}</tr></thead>
<tbody>
!${rows.map((row) => html`<tr>!${columns.map((column, place) => cell(row, column, place === 0))}</tr>`)}</tbody>
</table>
</div>`
}

function heading<Row>({ title, kind }: Column<Row>): string {
  const text = kind === 'act' ? html`<span class="unseen">${title}</span>` : html`${title}`
  return html`<th scope="col"!${kind ? ` class="${kind}"` : ''}>!${text}</th>`
}

function cell<Row>(row: Row, { cell, kind }: Column<Row>, isFirst: boolean): string {
  const classes = kind ? ` class="${kind}"` : ''
  return isFirst
    ? html`<th scope="row"!${classes}>!${cell(row)}</th>`
    : html`<td!${classes}>!${cell(row)}</td>`
}

/** Instead of a table without rows: what that means, and what to do, as HTML. */
export function emptyState(title: string, body: string): string {
  return html`<div class="empty"><p class="empty-title">${title}</p>!${body}</div>`
}
