import type { Sql } from './connect.ts'
import { maxAgeOf } from './max_age.ts'

/** A row of cache_stats, as numbers. */
export interface CacheStats {
  /** Identifiers with a current answer, positive or negative. */
  readonly total_cached: number
  readonly found_cached: number
  /** Negatives: OpenFIGI knows no such identifier. */
  readonly not_found_cached: number
  /** Of total_cached, how many are past their age. */
  readonly stale: number
  /** Closed periods. */
  readonly history_rows: number
  /** Requests that wait to be fetched: one an identifier, as a rule. */
  readonly pending: number
  /** Identifiers that OpenFIGI answered with an error, four times. */
  readonly gave_up: number
  /** Of the counted lookups of the last hour, the share answered from what is known and young enough: 0 to 1, null without any. */
  readonly hit_rate_1h: number | null
  readonly hit_rate_24h: number | null
  /** Share of the request limit in use now: 0 to 1, null before the first request. */
  readonly budget_used: number | null
}

export async function cacheStats(sql: Sql): Promise<CacheStats> {
  const [row] = await sql<Record<keyof CacheStats, string | null>[]>`select * from public.cache_stats()`
  const stats = Object.entries(row ?? {}).map(([name, value]) => [
    name,
    value === null ? null : Number(value),
  ])
  return Object.fromEntries(stats) as CacheStats
}

/** Closes every open row and keeps the history; how many. */
export async function clearCache(sql: Sql): Promise<number> {
  const [row] = await sql<{ closed: string }[]>`select public.clear_cache() as closed`
  return Number(row?.closed)
}

/** Forgets everything: mappings, history, what was imported, and what waits to be fetched; how many mappings and periods. */
export async function purgeCache(sql: Sql): Promise<number> {
  const [row] = await sql<{ forgotten: string }[]>`select public.purge_cache() as forgotten`
  return Number(row?.forgotten)
}

/** Requests a fetch of what is stale, oldest first; how many. */
export async function refreshStale(
  sql: Sql,
  maxAgeDays: number | null,
  maxRows: number | null,
): Promise<number> {
  const maxAge = maxAgeOf(maxAgeDays)
  const [row] = await sql<{ requested: string }[]>`
    select public.refresh_stale(${maxAge}::interval, ${maxRows}) as requested`
  return Number(row?.requested)
}
