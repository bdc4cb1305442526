import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import postgres, { type Sql } from 'postgres'
import { acquireEmbedded } from '../../src/database/embedded.ts'
import { databaseUrl, makeHome, removeHome } from '../support/cluster.ts'
import { load, type Size } from './load.ts'

/** As a careful operator would set a small server: nothing that keeps data safe is switched off. */
const settings = {
  fsync: 'on',
  shared_buffers: '512MB',
  effective_cache_size: '4GB',
  work_mem: '64MB',
  maintenance_work_mem: '512MB',
  max_wal_size: '8GB',
  checkpoint_timeout: '30min',
  max_connections: '100',
  autovacuum: 'off', // it would run in one side's time; the load and each restore vacuum instead
}

export interface BenchDatabase extends AsyncDisposable {
  readonly url: string
  readonly home: string
  /** One session, for whatever is timed one after the other. */
  readonly sql: Sql
  readonly size: Size
}

/** A cluster for this run with a loaded database; with `kept`, in a folder that stays, so that the next run need not load. */
export async function openBenchDatabase(
  identifiers: number,
  kept: string | undefined,
  log: (line: string) => void,
): Promise<BenchDatabase> {
  const home = kept ? resolve(kept) : await mkdtemp(join(tmpdir(), 'pgfigi-bench-'))
  await makeHome(home)
  const embedded = await acquireEmbedded({ home, settings })
  let removal: Promise<void> | undefined
  const removed = () => {
    removal ??= embedded.release().then(() => (kept ? undefined : removeHome(home)))
    return removal
  }
  // Interrupted, it takes its server along.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void removed().finally(() => process.exit(1)))
  }
  try {
    const cluster = databaseUrl(embedded.url, 'postgres')
    process.env.PGFIGI_TEST_DATABASE_URL = cluster // the template is made here
    const { name, size } = await load(cluster, identifiers, log)
    const url = databaseUrl(embedded.url, name)
    const sql = postgres(url, { max: 1, idle_timeout: 0, max_lifetime: null, onnotice: () => {} })
    return {
      url,
      home,
      sql,
      size,
      async [Symbol.asyncDispose]() {
        await sql.end({ timeout: 5 })
        await removed()
      },
    }
  } catch (error) {
    await removed()
    throw error
  }
}
