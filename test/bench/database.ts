import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import postgres, { type Sql } from 'postgres'
import { acquireEmbedded } from '../../src/database/embedded.ts'
import { databaseUrl, makeHome, removeHome } from '../support/cluster.ts'
import { withAdmin } from '../support/template.ts'
import { cleanUp, interruption } from './clean_up.ts'
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
  wal_level: 'minimal', // nobody replicates it: what an index is made of need not be logged
  max_wal_senders: '0',
  max_connections: '100',
  autovacuum: 'off', // it would run in one side's time; the load and each restore vacuum instead
}

export interface BenchDatabase {
  readonly url: string
  /** One session, for whatever is timed one after the other. */
  readonly sql: Sql
  readonly size: Size
  /** The smallest one of the run; itself, where there is but one size. */
  readonly smallest: BenchDatabase
}

export interface BenchCluster extends AsyncDisposable {
  readonly home: string
  /** Of the server. */
  readonly version: string
  /** By size, the smallest first. */
  readonly databases: readonly BenchDatabase[]
}

/** A cluster for this run with a loaded database a size; with `kept`, in a folder that stays, so that the next run need not load. */
export async function openBenchCluster(
  sizes: readonly number[],
  kept: string | undefined,
  log: (line: string) => void,
): Promise<BenchCluster> {
  const home = kept ? resolve(kept) : await mkdtemp(join(tmpdir(), 'pgfigi-bench-'))
  await makeHome(home)
  let removal: Promise<void> | undefined
  const starting = acquireEmbedded({ home, settings })
  const removed = () => {
    removal ??= starting
      .then((embedded) => embedded.release())
      .finally(() => (kept ? undefined : removeHome(home)))
    return removal
  }
  // Interrupted, it takes its server along, and before it what the measurement has made. What breaks off because of that must not end the process before.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      process.on('uncaughtException', () => {})
      process.on('unhandledRejection', () => {})
      interruption.abort()
      void cleanUp()
        .finally(removed)
        .finally(() => process.exit(1))
    })
  }
  try {
    const embedded = await starting
    const cluster = databaseUrl(embedded.url, 'postgres')
    process.env.PGFIGI_TEST_DATABASE_URL = cluster // the template is made here
    const databases: BenchDatabase[] = []
    for (const identifiers of sizes.toSorted((a, b) => a - b)) {
      const { name, size } = await load(cluster, identifiers, log)
      const url = databaseUrl(embedded.url, name)
      const sql = postgres(url, { max: 1, idle_timeout: 0, max_lifetime: null, onnotice: () => {} })
      databases.push({
        url,
        sql,
        size,
        get smallest() {
          return databases[0] ?? this
        },
      })
    }
    const [server] = await withAdmin(
      (sql) => sql<[{ version: string }]>`select split_part(version(), ' on ', 1) as version`,
    )
    return {
      home,
      version: server.version,
      databases,
      async [Symbol.asyncDispose]() {
        await Promise.all(databases.map(({ sql }) => sql.end({ timeout: 5 })))
        await removed()
      },
    }
  } catch (error) {
    await removed()
    throw error
  }
}
