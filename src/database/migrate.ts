import { setTimeout as sleep } from 'node:timers/promises'
import { Logger as MigrateLogger, migrate } from 'graphile-migrate'
import { runMigrations as migrateWorker, Logger as WorkerLogger } from 'graphile-worker'
import type { Sql } from 'postgres'
import type { Logger } from '../log.ts'
import { type AppliedMigration, appliedMigrations, checkBefore, requireApplied } from './migrate_checks.ts'
import { libpqUrl, migrationFault, withConnection } from './migrate_connection.ts'
import { withMigrationLock } from './migrate_lock.ts'
import { type CommittedMigration, committedMigrations, migrationsFolder } from './migrations_folder.ts'

export interface MigrateOptions {
  readonly logger?: Logger
  readonly signal?: AbortSignal
  /** Another folder than the package's own, for tests. */
  readonly folder?: string
}

export interface MigrationStatus {
  readonly applied: string[]
  readonly pending: string[]
}

export interface MigrationRecord {
  readonly name: string
  readonly message: string | null
  readonly appliedAt: Date
}

/**
 * Brings the worker's schema and ours up to date. Refuses, before it changes anything, a database that is not ours to
 * change. The names of the migrations that it applied.
 */
export async function migrateUp(url: string, options: MigrateOptions = {}): Promise<string[]> {
  const { logger, signal, folder = migrationsFolder() } = options
  return withConnection(url, async (sql, server) => {
    const ours = await committedMigrations(folder)
    return withMigrationLock(sql, { logger, signal }, async () => {
      const applied = await checkBefore(sql, ours)
      const pending = ours.filter(({ hash }) => !applied.some((one) => one.hash === hash))
      await apply(sql, server, folder, logger)
      if (pending.length > 0) await warnOfOpenSchema(sql, logger)
      for (const { name } of pending) logger?.info({}, `Applied migration ${name}`)
      return pending.map(({ name }) => name)
    })
  })
}

export async function migrationStatus(
  url: string,
  { folder = migrationsFolder() }: MigrateOptions = {},
): Promise<MigrationStatus> {
  return withConnection(url, async (sql) => {
    const ours = await committedMigrations(folder)
    const applied = await appliedMigrations(sql)
    return {
      applied: applied.map((one) => nameOf(one, ours)),
      pending: ours.filter(({ hash }) => !applied.some((one) => one.hash === hash)).map(({ name }) => name),
    }
  })
}

/** Throws where the database's schema is not the one that this pgfigi works with. */
export async function requireMigrated(url: string, options: MigrateOptions = {}): Promise<void> {
  const ours = await committedMigrations(options.folder ?? migrationsFolder())
  await withConnection(url, (sql) => requireApplied(sql, ours))
}

export async function migrationHistory(
  url: string,
  { folder = migrationsFolder() }: MigrateOptions = {},
): Promise<MigrationRecord[]> {
  return withConnection(url, async (sql) => {
    const ours = await committedMigrations(folder)
    const applied = await appliedMigrations(sql)
    return applied.map((one) => ({
      name: nameOf(one, ours),
      message: ours.find(({ hash }) => hash === one.hash)?.message ?? null,
      appliedAt: one.date,
    }))
  })
}

function nameOf(applied: AppliedMigration, ours: readonly CommittedMigration[]): string {
  return ours.find(({ hash }) => hash === applied.hash)?.name ?? applied.filename.replace(/\.sql$/, '')
}

async function apply(sql: Sql, url: string, folder: string, logger: Logger | undefined): Promise<void> {
  const [who] = await sql<[{ user: string; database: string }]>`
    select current_user as user, pg_catalog.current_database() as database`
  const session = `pgfigi migrate ${process.pid}.${performance.now()}`
  const exitCode = process.exitCode
  try {
    try {
      await applyOver(libpqUrl(url, { ...who, session, pinned: true }), who.user, folder, logger)
    } catch (error) {
      if (!/unsupported startup parameter/.test(String(error))) throw error
      await applyOver(libpqUrl(url, { ...who, session }), who.user, folder, logger) // PgBouncer
    }
  } catch (cause) {
    throw migrationFault(cause, url)
  } finally {
    process.exitCode = exitCode // graphile-worker sets one when it refuses
    await sessionsGone(sql, session)
  }
}

async function applyOver(
  connectionString: string,
  databaseOwner: string,
  folder: string,
  logger: Logger | undefined,
): Promise<void> {
  await migrateWorker({ connectionString, logger: new WorkerLogger(() => toDebug(logger)), maxPoolSize: 1 })
  await migrate({
    connectionString,
    // Unused, but graphile-migrate would otherwise take it from the environment.
    rootConnectionString: 'postgres:///template1',
    databaseOwner,
    migrationsFolder: folder,
    logger: new MigrateLogger(() => toDebug(logger)),
  })
}

/** Until PostgreSQL 15 everybody may, unless the database's owner has said otherwise. */
async function warnOfOpenSchema(sql: Sql, logger: Logger | undefined): Promise<void> {
  const [row] = await sql<[{ open: boolean }]>`
    select pg_catalog.has_schema_privilege('public', 'public', 'create') as open`
  if (!row.open) return
  logger?.warn(
    {},
    'Everybody may create objects in the schema public of this database, beside those of pgfigi: revoke create on schema public from public',
  )
}

/**
 * Both libraries end their pools without waiting, and graphile-migrate exits the process if the server goes away under
 * an idle connection: so nobody may stop it before they are gone.
 */
async function sessionsGone(sql: Sql, session: string): Promise<void> {
  for (const deadline = performance.now() + 3000; performance.now() < deadline; await sleep(20)) {
    const [row] = await sql<[{ left: number }]>`
      select pg_catalog.count(*)::int as left
      from pg_catalog.pg_stat_activity
      where application_name = pg_catalog.left(${session}, 63)`
    if (row.left === 0) return
  }
}

function toDebug(logger: Logger | undefined): (level: string, message: string) => void {
  return (_level, message) => logger?.debug({}, message)
}
