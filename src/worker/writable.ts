import type { Sql } from '../database/connect.ts'
import { remedyOf } from '../database/faults.ts'
import { DatabaseError } from '../errors/database_error.ts'

const readOnly = '25006'

/** Throws where the database takes no writes, as a standby or by a setting of the role: nothing that the worker does would succeed. */
export async function requireWritable(sql: Sql): Promise<void> {
  const [row] = await sql<[{ isReadOnly: boolean }]>`
    select pg_catalog.pg_is_in_recovery() or pg_catalog.current_setting('transaction_read_only')::bool as "isReadOnly"`
  if (!row.isReadOnly) return
  throw new DatabaseError(
    `${remedyOf(readOnly)} Where that role has default_transaction_read_only, reset it: a worker writes.`,
    readOnly,
  )
}
