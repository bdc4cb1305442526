import type { Sql } from './connect.ts'

/** A row of mapping_changes, the columns by their SQL names. */
export interface MappingChange {
  readonly identifier_type: string
  readonly identifier_value: string
  readonly changed_at: Date
  readonly kind: 'first_seen' | 'renamed' | 'retired' | 'revived'
  readonly from_ticker: string | null
  readonly to_ticker: string | null
  readonly name: string | null
  readonly figi: string | null
  readonly source: string
  readonly recorded_at: Date
}

/** Rows that are fetched at once, so that any number passes through little memory. */
const rowsAtOnce = 1000

/** What changed at or after an instant, in order of time; of that, what was recorded at or after `recordedSince`. */
export async function* changesSince(
  sql: Sql,
  since: Date,
  recordedSince: Date | null = null,
): AsyncGenerator<MappingChange> {
  const query = sql<MappingChange[]>`
    select c.*
    from public.mapping_changes(${since}) c
    where ${recordedSince}::timestamptz is null or c.recorded_at >= ${recordedSince}::timestamptz
    order by c.changed_at, c.identifier_type, c.identifier_value`
  for await (const rows of query.cursor(rowsAtOnce)) yield* rows
}
