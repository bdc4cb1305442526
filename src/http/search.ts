import type { Sql } from '../database/connect.ts'
import { type MappingPeriod, mappingHistory } from '../database/history.ts'
import { pageBearers, pageRequestOf } from '../database/operations.ts'
import { type Identifier, identify, sisters } from '../identifiers.ts'
import { dated } from './dated.ts'
import type { Found, IdentifierDetails, Period } from './models.ts'

/** What is searched for: an identifier, or a ticker as it was typed. */
export type SearchTerm =
  | { readonly identifier: Identifier }
  | { readonly ticker: string; readonly mayBeIdentifier: boolean }

/** What was found, or why nothing was. */
export interface SearchResult {
  readonly found: Found | null
  readonly message: string | null
}

/** Most identifiers shown of a ticker. */
const mostBearers = 100

/** Tickers as OpenFIGI writes them, those of bonds included (T 2 1/2 02/15/45), and no longer than any of them. */
const ticker = /^[A-Z0-9][A-Z0-9 ./*+&#-]{0,40}$/i

/** What a text in the search field means; a problem, in a sentence, where it can mean nothing. */
export function searchTerm(text: string): SearchTerm | { readonly problem: string } {
  const identifier = identify(text)
  if (identifier) return { identifier }
  const trimmed = text.trim()
  if (!ticker.test(trimmed)) {
    return {
      problem:
        'That is no CUSIP and no ISIN, and no ticker looks like it: a CUSIP has 9 characters, an ISIN 12, the last of which is a check digit.',
    }
  }
  return {
    ticker: trimmed,
    mayBeIdentifier: /^[A-Z0-9*@#]*\d[A-Z0-9*@#]*$/i.test(trimmed) && trimmed.length >= 8,
  }
}

/** What the database knows of a term. Reads alone: nothing is fetched because somebody looks. */
export async function search(sql: Sql, term: SearchTerm): Promise<SearchResult> {
  if ('identifier' in term) {
    const details = await detailsOf(sql, term.identifier)
    return { found: { kind: 'identifier', identifier: details }, message: null }
  }
  const bearers = (await pageBearers(sql, term.ticker, mostBearers)).map(dated)
  if (bearers.length > 0)
    return { found: { kind: 'ticker', ticker: bearers[0]?.ticker ?? term.ticker, bearers }, message: null }
  const asIdentifier = term.mayBeIdentifier
    ? ' If it is meant as a CUSIP or ISIN: its length or its check digit is wrong.'
    : ''
  return { found: null, message: `Nothing known bears or bore the ticker ${term.ticker}.${asIdentifier}` }
}

/** An identifier as it is now and was: under its own name, else under that of a sister which has a ticker, as a lookup finds it. */
async function detailsOf(sql: Sql, identifier: Identifier): Promise<IdentifierDetails> {
  const related = [identifier, ...sisters(identifier)]
  const [request, ...histories] = await Promise.all([
    pageRequestOf(sql, identifier.type, identifier.value),
    ...related.map((each) => mappingHistory(sql, each)),
  ])
  const own = histories[0] ?? []
  const sister = histories.slice(1).find((periods) => periods.some(hasTicker)) ?? []
  const history = own.length > 0 ? own : sister
  const current = own.find(isOpen) ?? sister.find(hasTicker)
  const age = current ? await ageOf(sql, current) : null
  return {
    identifier_type: identifier.type,
    identifier_value: identifier.value,
    status: statusOf(current, age?.is_fresh ?? false),
    resolved_via: current?.identifier_type ?? null,
    current: current ? periodOf(current) : null,
    stale_at: age ? dated(age).stale_at : null,
    history: (current && !history.includes(current) ? [...history, current] : history).map(periodOf),
    request: request ? dated(request) : null,
  }
}

function statusOf(current: MappingPeriod | undefined, isFresh: boolean): IdentifierDetails['status'] {
  if (!current) return 'miss'
  if (!isFresh) return 'stale'
  return current.has_no_results ? 'negative' : 'hit'
}

const isOpen = (period: MappingPeriod) => period.end_date === null
const hasTicker = (period: MappingPeriod) => isOpen(period) && !period.has_no_results

/** By the database's setting, as lookups reckon: of the row as it is stored, since there are times that no Date can hold. */
async function ageOf(sql: Sql, period: MappingPeriod): Promise<{ stale_at: Date; is_fresh: boolean } | null> {
  const [row] = await sql<{ stale_at: Date; is_fresh: boolean }[]>`
    select
      figi_private.stale_at(m.last_fetched_date) as stale_at,
      figi_private.is_fresh(m.last_fetched_date, null) as is_fresh
    from public.mapping_history(${period.identifier_type}, ${period.identifier_value}) m
    where m.id = ${period.id}`
  return row ?? null
}

function periodOf(period: MappingPeriod): Period {
  const { id, identifier_type, identifier_value, alternatives, ...rest } = dated(period)
  return { ...rest, alternatives: alternatives?.filter(isObject) ?? null }
}

/** Who writes rows by SQL may put anything into the array. */
function isObject(listing: unknown): listing is Record<string, unknown> {
  return typeof listing === 'object' && listing !== null && !Array.isArray(listing)
}
