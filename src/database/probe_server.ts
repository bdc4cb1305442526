import postgres from 'postgres'
import { within } from './deadline.ts'
import { driverOptions } from './driver_options.ts'
import type { WantedServer } from './server_urls.ts'
import { Sockets } from './sockets.ts'

/** What a server says of itself. */
export interface ServerState {
  readonly url: string
  readonly isStandby: boolean
  readonly isReadOnly: boolean
  /** Grows by one with each promotion; null of a standby. */
  readonly timeline: number | null
}

/** A server that takes longer to let anybody in would not do. */
const deadlineMs = 3_000

/** Asks a server what it is, on a connection of its own. Rejects where it cannot be reached. */
export async function probeServer(url: string): Promise<ServerState> {
  const sockets = new Sockets(null, () => {})
  const sql = postgres(url, {
    ...driverOptions(url, sockets),
    max: 1,
    connect_timeout: deadlineMs / 1000,
    prepare: false,
    onnotice: () => {},
    connection: { application_name: 'pgfigi probe' },
  })
  try {
    const asked = sql<[{ standby: boolean; read_only: boolean; timeline: number | null }]>`
      select
        pg_catalog.pg_is_in_recovery() as standby,
        pg_catalog.current_setting('transaction_read_only')::boolean as read_only,
        case
          when not pg_catalog.pg_is_in_recovery()
            then ('x' || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8))::pg_catalog.bit(32)::integer
        end as timeline`
    const [row] = await within(deadlineMs, 'The server', asked)
    return { url, isStandby: row.standby, isReadOnly: row.read_only, timeline: row.timeline }
  } finally {
    void sql.end({ timeout: 0 }).catch(() => {})
  }
}

/** Whether a server is what is wanted. */
export function isWanted({ isStandby, isReadOnly }: ServerState, wanted: WantedServer): boolean {
  if (wanted === 'read-write') return !isReadOnly
  if (wanted === 'read-only') return isReadOnly
  if (wanted === 'primary') return !isStandby
  if (wanted === 'standby') return isStandby
  return true
}
