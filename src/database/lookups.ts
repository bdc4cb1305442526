import type { Identifier } from '../identifiers.ts'
import type { Sql } from './connect.ts'
import { maxAgeOf } from './max_age.ts'

export type Status = 'hit' | 'stale' | 'negative' | 'miss' | 'invalid'

/** A row of resolve_mapping, the columns by their SQL names. */
export interface ResolvedMapping {
  readonly identifier_type: string | null
  readonly identifier_value: string | null
  readonly ticker: string | null
  readonly status: Status
  readonly fetch_requested: boolean
  readonly resolved_via: string | null
  /** bigint, so a string. */
  readonly id: string | null
  readonly has_no_results: boolean | null
  readonly start_date: Date | null
  readonly end_date: Date | null
  readonly last_fetched_date: Date | null
  readonly figi: string | null
  readonly composite_figi: string | null
  readonly share_class_figi: string | null
  readonly name: string | null
  readonly exch_code: string | null
  readonly security_type: string | null
  readonly security_type2: string | null
  readonly market_sector: string | null
  readonly source: string | null
  readonly alternatives: readonly unknown[] | null
}

/** What is asked for one identifier. */
export interface Lookup {
  readonly identifier: Identifier
  /** An instant, or a day (YYYY-MM-DD, the whole of it in UTC). Null: now. */
  readonly asOf: Date | string | null
}

/** Rows as they travel: a JSON array a column, in any order; `place` says which lookup a row answers, from 1. */
type Columns = { readonly [Name in keyof Cells]: readonly Cells[Name][] }

type Cells = Omit<
  ResolvedMapping,
  'identifier_type' | 'identifier_value' | 'id' | 'start_date' | 'end_date' | 'last_fetched_date'
> & {
  readonly place: number
  readonly id: number | null
  readonly start_date: string | null
  readonly end_date: string | null
  readonly last_fetched_date: string | null
}

/**
 * One row for each lookup, in order, in one query. maxAgeDays null leaves the age to the database's setting. Each column
 * comes as one JSON array: cell by cell the driver takes longer than the database, and rows as JSON objects are twice as long.
 */
export async function resolveMany(
  sql: Sql,
  lookups: readonly Lookup[],
  maxAgeDays: number | null,
): Promise<ResolvedMapping[]> {
  const maxAge = maxAgeOf(maxAgeDays)
  if (lookups.every((lookup) => lookup.asOf === null)) return resolveNow(sql, lookups, maxAge)
  const types = listOf(lookups.map((lookup) => lookup.identifier.type))
  const values = listOf(lookups.map((lookup) => lookup.identifier.value))
  const instants = lookups.map(({ asOf }) => (asOf instanceof Date ? instantOf(asOf) : null))
  const days = lookups.map(({ asOf }) => (typeof asOf === 'string' ? asOf : null))
  const [asOf] = await sql<Columns[]>`
    select ${columns(sql)}
    from unnest(
      pg_catalog.string_to_array(${types}::text, ','), pg_catalog.string_to_array(${values}::text, ','),
      ${instants}::text[]::timestamptz[], ${days}::text[]::date[]
    ) with ordinality as wanted (type, value, instant, day, place)
    cross join lateral (
      select at_instant.*, wanted.place
      from public.resolve_mapping(wanted.type, wanted.value, wanted.instant, ${maxAge}::interval) as at_instant
      where wanted.day is null
      union all
      select on_day.*, wanted.place
      from public.resolve_mapping(wanted.type, wanted.value, wanted.day, ${maxAge}::interval) as on_day
      where wanted.day is not null
    ) as resolved`
  return rowsOf(lookups, asOf as Columns)
}

/** A set for each type: places count through the CUSIPs, then through the ISINs. */
async function resolveNow(
  sql: Sql,
  lookups: readonly Lookup[],
  maxAge: string | null,
): Promise<ResolvedMapping[]> {
  const cusips = lookups.filter(({ identifier }) => identifier.type === 'CUSIP')
  const isins = lookups.filter(({ identifier }) => identifier.type === 'ISIN')
  const valuesOf = (some: readonly Lookup[]) => listOf(some.map(({ identifier }) => identifier.value))
  const [now] = await sql<Columns[]>`
    select ${columns(sql)}
    from (
      select r.*, r.ordinality as place
      from public.resolve_mappings('CUSIP', pg_catalog.string_to_array(${valuesOf(cusips)}::text, ','), null, ${maxAge}::interval) r
      union all
      select r.*, r.ordinality + ${cusips.length} as place
      from public.resolve_mappings('ISIN', pg_catalog.string_to_array(${valuesOf(isins)}::text, ','), null, ${maxAge}::interval) r
    ) resolved`
  const rows = rowsOf([...cusips, ...isins], now as Columns)
  if (isins.length === 0 || cusips.length === 0) return rows
  let [cusip, isin] = [0, cusips.length]
  return lookups.map(
    ({ identifier }) => rows[identifier.type === 'CUSIP' ? cusip++ : isin++] as ResolvedMapping,
  )
}

/** No identifier holds a comma, and a list of them is read sooner than an array. */
function listOf(texts: readonly string[]): string {
  return texts.join(',')
}

function columns(sql: Sql) {
  return sql`
    pg_catalog.json_agg(resolved.place) as place,
    pg_catalog.json_agg(resolved.ticker) as ticker,
    pg_catalog.json_agg(resolved.status) as status,
    pg_catalog.json_agg(resolved.fetch_requested) as fetch_requested,
    pg_catalog.json_agg(resolved.resolved_via) as resolved_via,
    pg_catalog.json_agg(resolved.id) as id,
    pg_catalog.json_agg(resolved.has_no_results) as has_no_results,
    pg_catalog.json_agg(resolved.start_date) as start_date,
    pg_catalog.json_agg(resolved.end_date) as end_date,
    pg_catalog.json_agg(resolved.last_fetched_date) as last_fetched_date,
    pg_catalog.json_agg(resolved.figi) as figi,
    pg_catalog.json_agg(resolved.composite_figi) as composite_figi,
    pg_catalog.json_agg(resolved.share_class_figi) as share_class_figi,
    pg_catalog.json_agg(resolved.name) as name,
    pg_catalog.json_agg(resolved.exch_code) as exch_code,
    pg_catalog.json_agg(resolved.security_type) as security_type,
    pg_catalog.json_agg(resolved.security_type2) as security_type2,
    pg_catalog.json_agg(resolved.market_sector) as market_sector,
    pg_catalog.json_agg(resolved.source) as source,
    pg_catalog.json_agg(resolved.alternatives) as alternatives`
}

function rowsOf(lookups: readonly Lookup[], cells: Columns): ResolvedMapping[] {
  const rows = new Array<ResolvedMapping>(lookups.length)
  for (let n = 0; n < rows.length; n += 1) {
    const place = (cells.place[n] as number) - 1
    rows[place] = rowOf((lookups[place] as Lookup).identifier, cells, n)
  }
  return rows
}

/** One literal: objects of the same shape, made at once. What was asked is normalised, and comes back as it went. */
function rowOf(identifier: Identifier, cells: Columns, n: number): ResolvedMapping {
  const cell = <Name extends keyof Cells>(name: Name) => cells[name][n] as Cells[Name]
  const id = cell('id')
  return {
    identifier_type: identifier.type,
    identifier_value: identifier.value,
    ticker: cell('ticker'),
    status: cell('status'),
    fetch_requested: cell('fetch_requested'),
    resolved_via: cell('resolved_via'),
    id: id === null ? null : String(id),
    has_no_results: cell('has_no_results'),
    start_date: dateOf(cell('start_date')),
    end_date: dateOf(cell('end_date')),
    last_fetched_date: dateOf(cell('last_fetched_date')),
    figi: cell('figi'),
    composite_figi: cell('composite_figi'),
    share_class_figi: cell('share_class_figi'),
    name: cell('name'),
    exch_code: cell('exch_code'),
    security_type: cell('security_type'),
    security_type2: cell('security_type2'),
    market_sector: cell('market_sector'),
    source: cell('source'),
    alternatives: cell('alternatives'),
  }
}

/** Postgres writes 2026-11-22T14:33:19.668123+00:00 where the session is in UTC, which is read here in a fifth of the time. */
function dateOf(text: string | null): Date | null {
  if (text === null) return null
  if (text.length < 25 || text.charCodeAt(4) !== hyphen || !text.endsWith('+00:00')) return new Date(text)
  const digits = (from: number) => text.charCodeAt(from) * 10 + text.charCodeAt(from + 1) - 11 * zero
  let milliseconds = 0
  for (let place = 20, unit = 100; unit >= 1; place += 1, unit /= 10) {
    const digit = text.charCodeAt(place) - zero
    if (digit < 0 || digit > 9) break
    milliseconds += digit * unit
  }
  const year = digits(0) * 100 + digits(2)
  // Of a year below 100 Date.UTC makes one of this century's past.
  if (year < 100) return new Date(text)
  return new Date(Date.UTC(year, digits(5) - 1, digits(8), digits(11), digits(14), digits(17), milliseconds))
}

const hyphen = '-'.charCodeAt(0)
const zero = '0'.charCodeAt(0)

/** As Postgres reads it, which knows no year zero and no sixth digit of a year in this form. */
export function instantOf(date: Date): string {
  const year = date.getUTCFullYear()
  if (year < 1) return '-infinity'
  return year > 9999 ? 'infinity' : date.toISOString()
}
