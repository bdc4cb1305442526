import { html } from 'ghtml'
import { code } from './periods.ts'
import { searchLink, shown } from './shown_text.ts'
import { type Column, table } from './table.ts'

type Listing = Readonly<Record<string, unknown>>

const columns: readonly Column<Listing>[] = [
  { title: 'Ticker', cell: (listing) => searchLink(textOf(listing, 'ticker')) },
  { title: 'Name', kind: 'wide', cell: (listing) => shown(textOf(listing, 'name')) },
  { title: 'Exchange', cell: (listing) => shown(textOf(listing, 'exchCode')) },
  { title: 'Security type', cell: (listing) => shown(textOf(listing, 'securityType')) },
  { title: 'FIGI', cell: (listing) => code(textOf(listing, 'figi')) },
  { title: 'Share class FIGI', cell: (listing) => code(textOf(listing, 'shareClassFIGI')) },
]

/** The listings that could have been chosen as well; nothing where there are none. */
export function rivalsTable(listings: readonly Listing[]): string {
  if (listings.length === 0) return ''
  return html`<section aria-labelledby="rivals-heading"><h2 id="rivals-heading">Rivals</h2><p class="lead">OpenFIGI gave these as well, and the rules rank them equal: look whether the choice is yours.</p>!${table(listings, { id: 'rivals', caption: 'Rival listings', columns })}</section>`
}

function textOf(listing: Listing, key: string): string | null {
  const value = listing[key]
  if (value === undefined || value === null) return null
  return typeof value === 'string' ? value : JSON.stringify(value)
}
