import type { ISql } from 'postgres'
import type { Identifier } from '../identifiers.ts'
import type { Sql } from './connect.ts'
import { instantOf, type Status } from './lookups.ts'
import { maxAgeOf } from './max_age.ts'
import { transaction } from './transaction.ts'

/** Of resolve_mapping the columns that go beside a holding. */
export interface KnownMapping {
  readonly ticker: string | null
  readonly name: string | null
  readonly figi: string | null
  readonly status: Status
}

export interface KnownOptions {
  /** An instant, or a day (YYYY-MM-DD, the whole of it in UTC), for each identifier; null: now. */
  readonly asOf: readonly (Date | string)[] | null
  /** Null leaves the age to the database's setting. */
  readonly maxAgeDays: number | null
  /** Whether fetches of what is unknown or stale are requested, as resolve_mapping does. */
  readonly isRequesting: boolean
}

interface Columns {
  readonly tickers: (string | null)[] | null
  readonly names: (string | null)[]
  readonly figis: (string | null)[]
  readonly statuses: Status[]
}

/**
 * What is known of identifiers, in their order, in one query for thousands. Few columns, each as one JSON value, cost the
 * driver a fraction of rows; sorted, neighbours are found on the same pages of the index. Without requesting it reads only, so that resolve_mapping writes nothing.
 */
export async function knownMappings(
  sql: Sql,
  identifiers: readonly Identifier[],
  { asOf, maxAgeDays, isRequesting }: KnownOptions,
): Promise<KnownMapping[]> {
  const types = identifiers.map(({ type }) => type).join(',')
  const values = identifiers.map(({ value }) => value).join(',')
  const days = asOf?.map((when) => (typeof when === 'string' ? when : '')).join(',') ?? ''
  const instants = asOf?.map((when) => (when instanceof Date ? instantOf(when) : '')).join(',') ?? ''
  const maxAge = maxAgeOf(maxAgeDays)
  const query = (on: ISql) => on<Columns[]>`
    select
      pg_catalog.to_json(pg_catalog.array_agg(r.ticker)) as tickers,
      pg_catalog.to_json(pg_catalog.array_agg(r.name)) as names,
      pg_catalog.to_json(pg_catalog.array_agg(r.figi)) as figis,
      pg_catalog.to_json(pg_catalog.array_agg(r.status)) as statuses
    from (
      select resolved.ticker, resolved.name, resolved.figi, resolved.status
      from ${
        asOf === null
          ? on`
            (
              select w.type, w.value, w.place
              from unnest(pg_catalog.string_to_array(${types}, ','), pg_catalog.string_to_array(${values}, ','))
                with ordinality as w (type, value, place)
              order by w.value
              offset 0
            ) as wanted
            cross join lateral public.resolve_mapping(wanted.type, wanted.value, null, ${maxAge}::interval) as resolved`
          : on`
            unnest(
              pg_catalog.string_to_array(${types}, ','), pg_catalog.string_to_array(${values}, ','),
              pg_catalog.string_to_array(${days}, ',', ''), pg_catalog.string_to_array(${instants}, ',', '')
            ) with ordinality as wanted (type, value, day, instant, place)
            cross join lateral (
              select on_day.ticker, on_day.name, on_day.figi, on_day.status
              from public.resolve_mapping(wanted.type, wanted.value, wanted.day::date, ${maxAge}::interval) as on_day
              where wanted.day is not null
              union all
              select at_instant.ticker, at_instant.name, at_instant.figi, at_instant.status
              from public.resolve_mapping(
                wanted.type, wanted.value, wanted.instant::timestamptz, ${maxAge}::interval
              ) as at_instant
              where wanted.day is null
            ) as resolved`
      }
      order by wanted.place
    ) as r`
  const [columns] = isRequesting ? await query(sql) : await transaction(sql, 'read only', query)
  return identifiers.map((_, n) => ({
    ticker: columns?.tickers?.[n] ?? null,
    name: columns?.names[n] ?? null,
    figi: columns?.figis[n] ?? null,
    status: columns?.statuses[n] ?? 'miss',
  }))
}
