import type { Details } from '../database/sightings.ts'
import type { Identifier } from '../identifiers.ts'
import { chooseListing, type Listing } from '../openfigi/listing.ts'
import { listingColumns } from '../openfigi/listing_columns.ts'
import type { ListingPreference } from '../openfigi/markets.ts'
import { detailFields, type Fields, fieldsOf } from './fields.ts'
import { ownCopy } from './own_copy.ts'
import { shown } from './records.ts'

/** What a record says of its identifier: a ticker, or (null) that there is none; or, as a text, why it says neither. */
export type Verdict = { readonly ticker: string | null; readonly details: Details | null } | string

interface Context {
  readonly identifier: Identifier
  readonly preference: ListingPreference
}

const negative: Verdict = { ticker: null, details: null }

/** Longer is no ticker; OpenFIGI's of bonds (AAPL 3.85 05/04/43) are the longest. */
const longestTicker = 60

/**
 * Spellings of nothing that do not say who knew nothing: a program that failed writes them just as well. NA and NAN in
 * upper case are tickers (National Bank of Canada, a fund of Nuveen's).
 */
const noTicker = /^(#?n\/a|n\.a\.|none|null|nil|undefined|unknown|error|failed|#.*|[-?.*_]+)$/i
const noTickerInLowerCase = /^(nan|na|NaN)$/
const notFound = /^(not[ _-]?found|no[ _-]?(results?|match(es)?|identifier found)\.?)$/i

const negativeStatus =
  /^(not[ _-]?found|no[ _-]?(results?|match(es)?|data|ticker|identifier found)|none|negative|missing|unmapped|unresolved|404)\.?$/i
const failedStatus =
  /err|fail|time[ _-]?d?[ _-]?out|limit|thrott|unavail|abort|cancel|invalid|denied|unauth|forbid|retry|exception|^[1345]\d\d$(?<!404)/i
const noIdentifierFound = /^no identifier found\.?$/i

/** What the value of an entry says: a ticker, null, a listing, a list of them, or an answer of OpenFIGI's. */
export function verdictOf(value: unknown, context: Context): Verdict {
  if (value === null || value === undefined) return negative
  if (typeof value === 'string') return verdictOfTicker(value)
  if (Array.isArray(value)) return verdictOfList(value, context)
  if (typeof value === 'object') return verdictOfFields(fieldsOf(value as Record<string, unknown>), context)
  return `${shown(value)} is neither a ticker nor null`
}

/** What the fields of a record say. A lookup that failed says nothing: an outage must not become a "no". */
export function verdictOfFields(fields: Fields, context: Context): Verdict {
  const { status, found, hasNoResults, success } = fields
  const problem = messageOf(fields.error)
  if (problem !== null)
    return noIdentifierFound.test(problem) ? negative : `the lookup failed: ${shown(problem)}`
  if (isFalse(success)) return 'the lookup failed, and says nothing of the identifier'
  const saysNone = negativeStatus.test(textOf(status)) || isTrue(hasNoResults) || isFalse(found)
  if (!saysNone && failedStatus.test(textOf(status)))
    return `the lookup failed: its status is ${shown(status)}`

  const verdict = verdictOfAnswer(fields, context)
  if (saysNone) {
    const isNone = typeof verdict === 'string' ? fields.ticker === undefined : verdict.ticker === null
    return isNone ? negative : 'it has a ticker and says that there is none'
  }
  if (typeof verdict === 'string' || verdict.ticker !== null) return verdict
  if (isFalse(hasNoResults) || isTrue(found)) return 'it has no ticker and says that there is one'
  const isPlain = /^(|ok|success|succeeded|done|complete|completed|cached|active|200)$/i.test(textOf(status))
  return isPlain
    ? verdict
    : `it has no ticker, and its status ${shown(status)} does not say that there is none`
}

function verdictOfAnswer(fields: Fields, context: Context): Verdict {
  if (fields.ticker !== undefined) {
    const verdict = verdictOf(fields.ticker, context)
    if (typeof verdict === 'string' || verdict.ticker === null) return verdict
    return { ticker: verdict.ticker, details: detailsOf(fields) }
  }
  const warning = messageOf(fields.warning)
  if (warning !== null)
    return noIdentifierFound.test(warning) ? negative : `OpenFIGI warned: ${shown(warning)}`
  if ('listings' in fields) return verdictOf(fields.listings, context)
  return 'it says neither a ticker nor that there is none'
}

function verdictOfTicker(raw: string): Verdict {
  const ticker = raw.trim()
  if (ticker === '' || notFound.test(ticker)) return negative
  if (noTicker.test(ticker) || noTickerInLowerCase.test(ticker)) {
    return `${shown(ticker)} is no ticker, and does not say that OpenFIGI knew none`
  }
  if (!isTicker(ticker)) return `${shown(ticker)} is no ticker`
  return { ticker: ownCopy(ticker), details: null }
}

/** Whether a trimmed text can be a ticker: short, whole characters, and none that steers a terminal. */
export function isTicker(text: string): boolean {
  return text.length <= longestTicker && !/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\ufffd]/u.test(text)
}

function verdictOfList(list: readonly unknown[], context: Context): Verdict {
  if (list.length === 0) return negative
  const only = list[0]
  if (list.length === 1 && !isListing(only) && !Array.isArray(only)) return verdictOf(only, context)
  if (list.every((element) => typeof element === 'string')) {
    return new Set(list).size === 1
      ? verdictOf(only, context)
      : `it has ${list.length} tickers, and does not say which`
  }
  if (!list.every(isListing)) return 'its list has something else in it than listings of OpenFIGI'
  const choice = chooseListing(list.map(listingOf), context)
  if (choice === null)
    return list.length === 1 ? 'its listing has no ticker' : 'none of its listings has a ticker'
  const verdict = verdictOfTicker(choice.listing.ticker)
  return typeof verdict === 'string'
    ? verdict
    : { ...verdict, details: detailsOf(listingColumns(choice.listing)) }
}

function isListing(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const fields = fieldsOf(value as Record<string, unknown>)
  return (
    typeof fields.figi === 'string' || ('ticker' in fields && !('status' in fields) && !('error' in fields))
  )
}

function listingOf(value: Record<string, unknown>): Listing {
  const fields = fieldsOf(value)
  const details = detailsOf(fields) ?? {}
  const ticker = typeof fields.ticker === 'string' ? fields.ticker.trim() : ''
  return {
    figi: details.figi ?? '',
    ticker: ticker || null,
    name: details.name ?? null,
    exchCode: details.exch_code ?? null,
    compositeFIGI: details.composite_figi ?? null,
    shareClassFIGI: details.share_class_figi ?? null,
    securityType: details.security_type ?? null,
    securityType2: details.security_type2 ?? null,
    marketSector: details.market_sector ?? null,
    securityDescription: null,
  }
}

/** Of the fields, those that are columns of security_mappings; null where there are none. */
function detailsOf(fields: Fields): Details | null {
  let details: Record<string, string> | null = null
  for (const field of detailFields) {
    const value = fields[field]
    if (typeof value !== 'string') continue
    const text = storable(value)
    if (text === '') continue
    details ??= {}
    details[field] = text
  }
  return details
}

/** Longer is no name. */
const longestDetail = 1_000

/** Postgres cannot store U+0000, nor half a surrogate pair; a name is not worth the whole record. */
export function storable(text: string): string {
  const whole = text.trim()
  const trimmed =
    whole.length > longestDetail ? whole.slice(0, longestDetail).replace(/[\ud800-\udbff]$/, '') : whole
  return trimmed.isWellFormed() && !trimmed.includes('\0')
    ? ownCopy(trimmed)
    : trimmed.toWellFormed().replaceAll('\0', '')
}

function messageOf(value: unknown): string | null {
  if (value === null || value === undefined || value === false || value === '') return null
  if (Array.isArray(value) && value.length === 0) return null
  return typeof value === 'string' ? value.trim() || null : (JSON.stringify(value) ?? null)
}

const textOf = (value: unknown) =>
  typeof value === 'string' || typeof value === 'number' ? String(value).trim() : ''
const isTrue = (value: unknown) => value === true || /^(true|t|yes|y|1)$/i.test(textOf(value))
const isFalse = (value: unknown) => value === false || /^(false|f|no|n|0)$/i.test(textOf(value))
