import { html } from 'ghtml'
import type { Found } from '../models.ts'
import { bearersBody } from './bearers.ts'
import type { Frame } from './frame.ts'
import { identifierBody } from './identifier.ts'
import { layout } from './layout.ts'
import { searchLink, shownSentence } from './shown_text.ts'
import { emptyState } from './table.ts'

export interface SearchModel {
  readonly query: string
  /** Null where nothing was searched for or found. */
  readonly found: Found | null
  /** Why nothing was found, in words. */
  readonly message: string | null
}

/** What is known of an identifier, or of a ticker backwards. */
export function searchPage({ query, found, message }: SearchModel, frame: Frame): string {
  return layout(
    {
      title: titleOf(query, found),
      query,
      isLive: found !== null,
      body: html`!${message === null ? '' : html`<p class="message">!${shownSentence(message)}</p>`}!${bodyOf(found, frame)}`,
    },
    frame,
  )
}

function titleOf(query: string, found: Found | null): string {
  if (found?.kind === 'ticker') return `Ticker ${found.ticker}`
  if (found) return `${found.identifier.identifier_type} ${found.identifier.identifier_value}`
  return query === '' ? 'Look up' : 'Nothing found'
}

function bodyOf(found: Found | null, frame: Frame): string {
  if (found?.kind === 'ticker') return bearersBody(found.bearers)
  return found ? identifierBody(found.identifier, frame) : hint
}

const hint = emptyState(
  'What can be looked up',
  html`<p>A CUSIP (!${searchLink('037833100')}), an ISIN (!${searchLink('US0378331005')}), or a ticker backwards (!${searchLink('AAPL')}): which identifiers bear it or bore it. What nobody has asked for yet is fetched by <code>pgfigi resolve 037833100</code>.</p>`,
)
