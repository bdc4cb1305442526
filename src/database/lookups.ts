import type { Identifier } from '../identifiers.ts'
import type { Sql } from './connect.ts'

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

/** A row as JSON brings it. */
type JsonRow = Omit<ResolvedMapping, 'id' | 'start_date' | 'end_date' | 'last_fetched_date'> & {
  readonly id: number | null
  readonly start_date: string | null
  readonly end_date: string | null
  readonly last_fetched_date: string | null
}

/**
 * One row for each lookup, in order, in one query. maxAgeDays null leaves the age to the database's setting. The rows come
 * as one JSON value: parsing 21 cells a row one by one takes the driver longer than the lookups take the database.
 */
export async function resolveMany(
  sql: Sql,
  lookups: readonly Lookup[],
  maxAgeDays: number | null,
): Promise<ResolvedMapping[]> {
  const types = lookups.map((lookup) => lookup.identifier.type)
  const values = lookups.map((lookup) => lookup.identifier.value)
  const maxAge = maxAgeDays === null ? null : `${maxAgeDays * 86_400} seconds`
  if (lookups.every((lookup) => lookup.asOf === null)) {
    const [now] = await sql<{ rows: JsonRow[] | null }[]>`
      select json_agg(resolved order by wanted.place) as rows
      from unnest(${types}::text[], ${values}::text[]) with ordinality as wanted (type, value, place)
      cross join lateral public.resolve_mapping(wanted.type, wanted.value, null, ${maxAge}::interval) as resolved`
    return (now?.rows ?? []).map(resolvedOf)
  }
  const instants = lookups.map(({ asOf }) => (asOf instanceof Date ? instantOf(asOf) : null))
  const days = lookups.map(({ asOf }) => (typeof asOf === 'string' ? asOf : null))
  const [asOf] = await sql<{ rows: JsonRow[] | null }[]>`
    select json_agg(resolved order by wanted.place) as rows
    from unnest(${types}::text[], ${values}::text[], ${instants}::text[]::timestamptz[], ${days}::text[]::date[])
      with ordinality as wanted (type, value, instant, day, place)
    cross join lateral (
      select at_instant.*
      from public.resolve_mapping(wanted.type, wanted.value, wanted.instant, ${maxAge}::interval) as at_instant
      where wanted.day is null
      union all
      select on_day.*
      from public.resolve_mapping(wanted.type, wanted.value, wanted.day, ${maxAge}::interval) as on_day
      where wanted.day is not null
    ) as resolved`
  return (asOf?.rows ?? []).map(resolvedOf)
}

function resolvedOf(row: JsonRow): ResolvedMapping {
  return {
    ...row,
    id: row.id === null ? null : String(row.id),
    start_date: dateOf(row.start_date),
    end_date: dateOf(row.end_date),
    last_fetched_date: dateOf(row.last_fetched_date),
  }
}

function dateOf(text: string | null): Date | null {
  return text === null ? null : new Date(text)
}

/** As Postgres reads it, which knows no year zero and no sixth digit of a year in this form. */
export function instantOf(date: Date): string {
  const year = date.getUTCFullYear()
  if (year < 1) return '-infinity'
  return year > 9999 ? 'infinity' : date.toISOString()
}
