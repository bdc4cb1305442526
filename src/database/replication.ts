import type { Sql } from './connect.ts'
import type { ReplicaState } from './replica_age.ts'

/** Where the log of a primary ends. Rejects on a replica. */
export async function endOfLog(sql: Sql): Promise<string> {
  const [log] = await sql<[{ lsn: string }]>`select pg_catalog.pg_current_wal_insert_lsn()::text as lsn`
  return log.lsn
}

/** Whether a server is a replica, and how far it has come. */
export async function replicaState(sql: Sql): Promise<ReplicaState> {
  const [row] = await sql<[{ standby: boolean; replayed: string | null }]>`
    select pg_catalog.pg_is_in_recovery() as standby, pg_catalog.pg_last_wal_replay_lsn()::text as replayed`
  return { isStandby: row.standby, replayed: row.replayed }
}
