import type { CounterName } from '../counting/counters.ts'
import type { ProcessIdentity } from '../counting/process_identity.ts'
import type { Count } from '../counting/tally.ts'
import type { Sql } from './connect.ts'

/** A writer holds its rows for milliseconds: who waits longer tries again later, and gives the connection back. */
const lockTimeout = '2s'

/**
 * Adds the counts of a process, and says that it lives, in one transaction. False where the flush of this number has been
 * written before: then nothing is counted again.
 */
export async function recordCounts(
  sql: Sql,
  process: ProcessIdentity,
  flush: number,
  counts: readonly Count[],
): Promise<boolean> {
  const [row] = await sql<{ written: boolean }[]>`
    select figi_private.record_counts(
      ${JSON.stringify(process)}::text::jsonb, ${flush}, ${JSON.stringify(counts)}::text::jsonb
    ) as written
    from (select pg_catalog.set_config('lock_timeout', ${lockTimeout}, true) offset 0) as patience`
  return row?.written ?? false
}

/** Forgets a process that ends in order. */
export async function processEnded(sql: Sql, process: ProcessIdentity): Promise<void> {
  await sql`
    select figi_private.process_ended(${process.process})
    from (select pg_catalog.set_config('lock_timeout', ${lockTimeout}, true) offset 0) as patience`
}

/** How often something happened within a bucket of time. */
export interface BucketCount {
  /** Where the bucket begins. */
  readonly at: Date
  readonly counter: CounterName
  readonly labels: Readonly<Record<string, string>>
  readonly count: number
}

/** What was counted since an instant, in buckets of so many milliseconds, in order of time. */
export async function countsSince(sql: Sql, since: Date, bucketMs: number): Promise<BucketCount[]> {
  const rows = await sql<(Omit<BucketCount, 'count'> & { count: string })[]>`
    select at, counter, labels, count
    from figi_private.counts_since(${since}, ${bucketMs}::float8 * interval '1 millisecond')`
  return rows.map((row) => ({ ...row, count: Number(row.count) }))
}

/** How much there was at the end of a bucket of time. */
export interface Sizes {
  readonly at: Date
  readonly found: number
  readonly negatives: number
  readonly stale: number
  readonly ended: number
  readonly waiting: number
  readonly gave_up: number
}

/** How much there was since an instant, a sample for each bucket of so many milliseconds, in order of time. */
export async function sizesSince(sql: Sql, since: Date, bucketMs: number): Promise<Sizes[]> {
  const rows = await sql<Record<keyof Sizes, string | Date>[]>`
    select at, found, negatives, stale, ended, waiting, gave_up
    from figi_private.sizes_since(${since}, ${bucketMs}::float8 * interval '1 millisecond')`
  return rows.map((row) => ({
    at: row.at as Date,
    found: Number(row.found),
    negatives: Number(row.negatives),
    stale: Number(row.stale),
    ended: Number(row.ended),
    waiting: Number(row.waiting),
    gave_up: Number(row.gave_up),
  }))
}

/** How often something has happened since counting began: it never falls. */
export interface CounterTotal {
  readonly counter: CounterName
  readonly labels: Readonly<Record<string, string>>
  readonly total: number
  /** When it was counted last. */
  readonly last_at: Date
}

export async function counterTotals(sql: Sql): Promise<CounterTotal[]> {
  const rows = await sql<(Omit<CounterTotal, 'total'> & { total: string })[]>`
    select counter, labels, total, last_at
    from figi_private.counter_totals()`
  return rows.map((row) => ({ ...row, total: Number(row.total) }))
}

/** What is, just now, under the names of /metrics without the prefix. */
export interface Gauge {
  readonly gauge: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** What is known of it: what is not has no row. */
export async function gauges(sql: Sql): Promise<Gauge[]> {
  return sql<Gauge[]>`
    select gauge, labels, value
    from figi_private.gauges()
    order by gauge, labels`
}
