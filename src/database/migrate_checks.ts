import type { Sql } from 'postgres'
import { MigrationError } from '../errors/migration_error.ts'
import { codeOf } from './faults.ts'
import type { CommittedMigration } from './migrations_folder.ts'

export interface AppliedMigration {
  readonly hash: string
  readonly filename: string
  readonly date: Date
}

const OLDEST_SERVER = 14

/**
 * What graphile-migrate has recorded in this database, in order; nothing where it never was. A role without the right to read
 * it gets a MigrationError.
 */
export async function appliedMigrations(sql: Sql): Promise<AppliedMigration[]> {
  try {
    return await recordedMigrations(sql)
  } catch (cause) {
    if (codeOf(cause) !== '42501') throw cause
    throw new MigrationError(
      'missing_rights',
      `The role that DATABASE_URL names may not read which migrations are applied (${(cause as Error).message}): ` +
        'let the owner run docs/grants.sql, which gives workers that right. Migrations themselves run as the owner.',
      { cause },
    )
  }
}

async function recordedMigrations(sql: Sql): Promise<AppliedMigration[]> {
  const [table] = await sql<[{ exists: boolean }]>`
    select pg_catalog.to_regclass('graphile_migrate.migrations') is not null as exists`
  if (!table.exists) return []
  return sql<AppliedMigration[]>`
    select hash, filename, date
    from graphile_migrate.migrations
    order by filename`
}

/** Everything that speaks against migrating, found out before anything is changed. What is applied already. */
export async function checkBefore(
  sql: Sql,
  ours: readonly CommittedMigration[],
): Promise<AppliedMigration[]> {
  const [server] = await sql<[Server]>`
    select
      pg_catalog.current_setting('server_version_num')::int / 10000 as major,
      pg_catalog.current_setting('server_version') as version,
      pg_catalog.pg_is_in_recovery() or pg_catalog.current_setting('transaction_read_only')::bool as "readOnly",
      current_user as user,
      pg_catalog.current_database() as database,
      pg_catalog.to_regclass('graphile_worker.migrations') is not null as "hasWorker",
      pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create') as "mayCreateSchemas",
      coalesce(pg_catalog.has_schema_privilege(pg_catalog.to_regnamespace('public')::oid, 'create'), false) as "mayUsePublic"`
  if (server.major < OLDEST_SERVER) {
    throw new MigrationError(
      'old_server',
      `The server is PostgreSQL ${server.version}, and pgfigi needs ${OLDEST_SERVER} or newer: upgrade it, ` +
        'or leave DATABASE_URL unset for the embedded PostgreSQL.',
    )
  }
  const applied = await appliedMigrations(sql)
  checkHistory(applied, ours)
  if (applied.length < ours.length || !server.hasWorker) checkRights(server, applied.length === 0)
  return applied
}

interface Server {
  major: number
  version: string
  readOnly: boolean
  user: string
  database: string
  hasWorker: boolean
  mayCreateSchemas: boolean
  mayUsePublic: boolean
}

/** Throws where the migrations that are applied are not all of ours and no others. */
export async function requireApplied(sql: Sql, ours: readonly CommittedMigration[]): Promise<void> {
  const applied = await appliedMigrations(sql)
  checkHistory(applied, ours)
  if (applied.length === ours.length) return
  throw new MigrationError(
    'not_migrated',
    `The database has ${applied.length === 0 ? 'no pgfigi yet' : 'an older pgfigi'}: run pgfigi migrate up.`,
  )
}

/** Throws where something was applied that is not ours, or of a newer pgfigi. */
export function checkHistory(
  applied: readonly AppliedMigration[],
  ours: readonly CommittedMigration[],
): void {
  const unknown = applied.filter(({ hash }) => !ours.some((one) => one.hash === hash))
  const [first] = unknown
  if (!first) return
  const hasAllOfOurs = ours.length > 0 && applied.length - unknown.length === ours.length
  if (hasAllOfOurs) {
    throw new MigrationError(
      'newer_schema',
      `A newer pgfigi has migrated this database (to ${unknown.at(-1)?.filename}): upgrade this one to that version.`,
    )
  }
  throw new MigrationError(
    'foreign_schema',
    `Another project keeps its migrations in this database with graphile-migrate (${first.filename}, ${first.hash}, is not ` +
      'one of pgfigi). The two would overwrite each other: give pgfigi a database of its own (`create database pgfigi`) ' +
      'and point DATABASE_URL at it. Nothing was changed.',
  )
}

function checkRights(server: Server, first: boolean): void {
  if (server.readOnly) {
    throw new MigrationError(
      'read_only',
      'This server is read-only (a replica, say): migrate on the primary. Nothing was changed.',
    )
  }
  const grants = [
    !server.mayCreateSchemas && `grant create on database "${server.database}" to "${server.user}"`,
    first && !server.mayUsePublic && `grant usage, create on schema public to "${server.user}"`,
  ].filter(Boolean)
  if ((first || !server.hasWorker) && grants.length > 0) {
    throw new MigrationError(
      'missing_rights',
      `The role ${server.user} may not create what pgfigi needs. Let the database's owner run: ${grants.join('; ')}. Nothing was changed.`,
    )
  }
}
