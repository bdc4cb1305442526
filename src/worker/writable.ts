import type { Sql } from '../database/connect.ts'
import { remedyOf } from '../database/faults.ts'
import { DatabaseError } from '../errors/database_error.ts'

const readOnly = '25006'

/** Throws where the database is a standby, which takes no writes: nothing that the worker does would succeed. */
export async function requireWritable(sql: Sql): Promise<void> {
  const [row] = await sql<[{ isStandby: boolean }]>`select pg_catalog.pg_is_in_recovery() as "isStandby"`
  if (row.isStandby) throw new DatabaseError(remedyOf(readOnly) ?? '', readOnly)
}
