import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres, { type Sql } from 'postgres'
import { acquireEmbedded } from '../../src/database/embedded.ts'
import { makeHome, removeHome, throwawaySettings } from '../support/cluster.ts'
import { withReplica } from '../support/replica.ts'
import { migrateToNow } from '../support/template.ts'

export interface Servers {
  /** As the owner of the database, a superuser. */
  readonly sql: Sql
  readonly url: string
  /** A server that follows; null where there is nothing to make one of. */
  readonly replica: Sql | null
}

/** A migrated database on a server of its own that takes some dozen connections, with a replica where that can be had. */
export async function withServers(work: (servers: Servers) => Promise<void>): Promise<void> {
  const ran = await withReplica(({ primary, primaryUrl, replica }) =>
    work({ sql: primary, url: primaryUrl, replica }),
  )
  if (ran) return
  console.log('SKIPPED: a replica that lags (there is no PostgreSQL in /usr/lib/postgresql to make one of)')
  const home = await mkdtemp(join(tmpdir(), 'alone-'))
  await makeHome(home)
  const embedded = await acquireEmbedded({ home, settings: { ...throwawaySettings, max_connections: '40' } })
  const sql = postgres(embedded.url, { max: 3, onnotice: () => {} })
  try {
    await migrateToNow(embedded.url)
    await work({ sql, url: embedded.url, replica: null })
  } finally {
    await sql.end({ timeout: 1 })
    await embedded.release()
    await removeHome(home)
  }
}
