import postgres, { type Sql, type TransactionSql } from 'postgres'
import { MigrationError } from '../errors/migration_error.ts'
import { type BlockerWatch, watchBlockers } from './blockers.ts'
import { codeOf } from './faults.ts'
import type { MigrateOptions } from './migrate.ts'
import { appliedMigrations, checkHistory } from './migrate_checks.ts'
import { withConnection } from './migrate_connection.ts'
import { withMigrationLock } from './migrate_lock.ts'
import { type CommittedMigration, committedMigrations, migrationsFolder } from './migrations_folder.ts'
import { transaction } from './transaction.ts'
import { type Undo, undoOf } from './undo_files.ts'

export interface MigrateDownOptions extends MigrateOptions {
  /** Undo even where rows would be lost. */
  readonly force?: boolean
  /** How long to wait for each lock that another session holds. Default ten seconds. */
  readonly lockTimeoutMs?: number
}

/**
 * Undoes the migration that was applied last, in one transaction with its bookkeeping; its name, or null where none is
 * applied. Whatever fails or is refused leaves everything as it was.
 */
export async function migrateDown(url: string, options: MigrateDownOptions = {}): Promise<string | null> {
  const { logger, signal, folder = migrationsFolder(), force = false, lockTimeoutMs = 10_000 } = options
  return withConnection(url, (sql, server) =>
    withMigrationLock(sql, { logger, signal }, async () => {
      const migration = await lastApplied(sql, folder)
      if (!migration) return null
      const undo = await undoOf(migration, folder)
      if (!undo) {
        throw new MigrationError(
          'no_undo',
          `There is no undo of ${migration.name} (migrations/undo/${migration.filename.slice(0, 6)}*.sql). Nothing was changed.`,
        )
      }
      const [{ pid }] = await sql<[{ pid: number }]>`
        select pg_catalog.pg_backend_pid() as pid, pg_catalog.set_config('lock_timeout', ${`${lockTimeoutMs}ms`}, false)`
      return withConnection(server, async (second) => {
        await using blockers = watchBlockers(second, pid, (names) =>
          logger?.warn({}, `Waiting for ${names.join(', ')}`),
        )
        try {
          // Twice: before anybody has to wait for us, and again when nobody can write.
          if (!force) await refuseLoss(sql, migration, undo)
          // Not 'read write': a database that somebody has made read-only stays as it is.
          await transaction(sql, 'isolation level read committed', (inside) =>
            run(inside, migration, undo, force),
          )
        } catch (cause) {
          throw explained(cause, migration, blockers)
        }
        logger?.info({}, `Undid migration ${migration.name}`)
        return migration.name
      })
    }),
  )
}

async function lastApplied(sql: Sql, folder: string): Promise<CommittedMigration | undefined> {
  const ours = await committedMigrations(folder)
  const applied = await appliedMigrations(sql)
  checkHistory(applied, ours)
  return ours.find(({ hash }) => hash === applied.at(-1)?.hash)
}

async function run(
  sql: TransactionSql,
  migration: CommittedMigration,
  undo: Undo,
  force: boolean,
): Promise<void> {
  // Keeps graphile-migrate's own commands out as well.
  await sql`lock table graphile_migrate.migrations in exclusive mode`
  for (const table of undo.loses) await sql`lock table ${sql(table.join('.'))} in access exclusive mode`
  if (!force) await refuseLoss(sql, migration, undo)
  await sql.file(undo.file)
  await sql`delete from graphile_migrate.migrations where hash = ${migration.hash}`
  // What db:watch remembers of current.sql stood on what is gone; so it applies it anew.
  await sql`delete from graphile_migrate.current`
}

async function refuseLoss(
  sql: Sql | TransactionSql,
  { name }: CommittedMigration,
  { loses }: Undo,
): Promise<void> {
  const losses: string[] = []
  for (const table of loses) {
    const [row] = await sql<
      [{ count: number }]
    >`select pg_catalog.count(*)::float8 as count from ${sql(table.join('.'))}`
    if (row.count === 1) losses.push(`${table.join('.')} has 1 row`)
    if (row.count > 1) losses.push(`${table.join('.')} has ${row.count.toLocaleString('en-US')} rows`)
  }
  if (losses.length === 0) return
  throw new MigrationError(
    'data_would_be_lost',
    `Undoing ${name} would lose data: ${losses.join(', ')}. Nothing was changed. ` +
      'Save what you need (pgfigi export --format dump keeps the history, pg_dump everything), then run ' +
      'pgfigi migrate down --force.',
  )
}

function explained(cause: unknown, { name }: CommittedMigration, blockers: BlockerWatch): unknown {
  const code = codeOf(cause)
  if (code === '2BP01' && cause instanceof postgres.PostgresError) {
    const dependents = [...new Set((cause.detail ?? cause.message).split('\n'))].join('; ')
    return new MigrationError(
      'in_use',
      `${name} cannot be undone while something else is built on it: ${dependents}. Drop that first. Nothing was changed.`,
      { cause },
    )
  }
  if (code === '55P03' || code === '40P01') {
    const who = blockers.last.length > 0 ? blockers.last.join(', ') : 'Another session'
    return new MigrationError(
      'busy',
      `${name} could not be undone: ${who} holds what has to be dropped. Let it end (or end it with ` +
        'pg_terminate_backend), then try again. Nothing was changed.',
      { cause },
    )
  }
  return cause
}
