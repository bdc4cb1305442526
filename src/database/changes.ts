import type { TransactionSql } from 'postgres'
import type { Sql } from './connect.ts'
import { transactionRows } from './transaction_rows.ts'

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

/**
 * What changed at or after an instant, in order of time; of that, what was recorded at or after `recordedSince`. By a cursor, so
 * that any number passes through little memory. Rejects where the database goes away before the last.
 */
export async function* changesSince(
  sql: Sql,
  since: Date,
  recordedSince: Date | null = null,
): AsyncGenerator<MappingChange> {
  const parts = transactionRows(sql, 'read only', (inside) => partsOf(inside, since, recordedSince))
  for await (const rows of parts) yield* rows
}

async function* partsOf(
  sql: TransactionSql,
  since: Date,
  recordedSince: Date | null,
): AsyncGenerator<MappingChange[]> {
  await sql`
    declare changes no scroll cursor for
    select c.*
    from public.mapping_changes(${since}) c
    where ${recordedSince}::timestamptz is null or c.recorded_at >= ${recordedSince}::timestamptz
    order by c.changed_at, c.identifier_type, c.identifier_value`
  for (;;) {
    const rows = await sql<MappingChange[]>`fetch 1000 from changes`
    if (rows.length === 0) return
    yield rows
  }
}
