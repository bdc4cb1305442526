import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from 'postgres'
import { MigrationError } from '../errors/migration_error.ts'
import type { Logger } from '../log.ts'

/** Two pgfigi at once wait for each other on this; graphile-migrate's own lock would fail the second. */
const LOCK = 0x70676669 // 'pgfi'

interface Waiting {
  readonly logger?: Logger | undefined
  readonly signal?: AbortSignal | undefined
}

/** Runs `work` while no other pgfigi changes the schema of this database. `sql` must be a single connection. */
export async function withMigrationLock<T>(sql: Sql, waiting: Waiting, work: () => Promise<T>): Promise<T> {
  await lock(sql, waiting)
  try {
    return await work()
  } finally {
    await sql`select pg_catalog.pg_advisory_unlock(${LOCK})`.catch(() => {})
  }
}

async function lock(sql: Sql, { logger, signal }: Waiting): Promise<void> {
  const started = Date.now()
  for (let told = false; ; await sleep(100, undefined, signal ? { signal } : {})) {
    const [row] = await sql<[{ locked: boolean }]>`select pg_catalog.pg_try_advisory_lock(${LOCK}) as locked`
    if (row.locked) return
    if (!told && Date.now() - started > 1000) {
      logger?.info({}, 'Waiting for another pgfigi that is migrating this database')
      told = true
    }
    if (Date.now() - started > 600_000) {
      throw new MigrationError('busy', 'Another pgfigi has been migrating this database for ten minutes.')
    }
  }
}
