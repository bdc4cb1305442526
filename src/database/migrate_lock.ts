import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from 'postgres'
import { MigrationError } from '../errors/migration_error.ts'
import type { Logger } from '../log.ts'

/** Two pgfigi at once wait for each other on this; graphile-migrate's own lock would fail the second. */
const LOCK = 0x70676669 // 'pgfi'

/** graphile-migrate's own, which the server holds for a pgfigi that was killed until its last statement has ended. */
const LIBRARY_LOCK = '4727445306447283'

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
  const started = performance.now()
  for (let told = false; ; await sleep(100, undefined, signal ? { signal } : {})) {
    if (await isOurs(sql)) return
    if (!told && performance.now() - started > 1000) {
      logger?.info({}, 'Waiting for another pgfigi that is migrating this database')
      told = true
    }
    if (performance.now() - started > 600_000) {
      throw new MigrationError('busy', 'Another pgfigi has been migrating this database for ten minutes.')
    }
  }
}

/** Takes our lock where the library's is free; that one it takes by itself. */
async function isOurs(sql: Sql): Promise<boolean> {
  const [ours] = await sql<[{ locked: boolean }]>`select pg_catalog.pg_try_advisory_lock(${LOCK}) as locked`
  if (!ours.locked) return false
  const [library] = await sql<[{ isFree: boolean }]>`
    select pg_catalog.pg_try_advisory_lock(${LIBRARY_LOCK}::bigint) as "isFree"`
  const unlocked = library.isFree ? LIBRARY_LOCK : String(LOCK)
  await sql`select pg_catalog.pg_advisory_unlock(${unlocked}::bigint)`
  return library.isFree
}
