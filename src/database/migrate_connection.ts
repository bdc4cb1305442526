import { DeadlineError } from '../errors/deadline_error.ts'
import { MigrationError } from '../errors/migration_error.ts'
import { NoServerError } from '../errors/no_server_error.ts'
import { PgfigiError } from '../errors/pgfigi_error.ts'
import { messageOf } from '../message_of.ts'
import { requireAnswer } from './answered.ts'
import { writableServer } from './choose_server.ts'
import { connect, type Sql } from './connect.ts'
import { codeOf, remedyOf } from './faults.ts'
import { pgUrl } from './pg_url.ts'
import { placeOf } from './server_urls.ts'

/**
 * One connection for the time of `work`, which also gets the URL of its server, of several the one that takes writes; whatever
 * fails comes out as a PgfigiError.
 */
export async function withConnection<T>(
  url: string,
  work: (sql: Sql, server: string) => Promise<T>,
): Promise<T> {
  let sql: Sql | undefined
  try {
    const server = await writableServer(url)
    sql = connect(server, {
      max: 1,
      connectTimeoutSeconds: 10,
      idleTimeoutSeconds: 0,
      connectionLifetimeSeconds: 0,
    })
    await requireAnswer(sql)
    return await work(sql, server)
  } catch (cause) {
    throw migrationFault(cause, url)
  } finally {
    await sql?.end({ timeout: 5 })
  }
}

/**
 * The URL for `pg`, with the database's name, because graphile-migrate insists on one, and a name for its sessions. `pinned`:
 * what a migration names bare is PostgreSQL's own, even where others may create objects in the schema public, and what it
 * quotes is read as written, whatever the owner's settings are; a pooler may refuse such a session.
 */
export function libpqUrl(
  url: string,
  {
    user,
    database,
    session,
    pinned = false,
  }: { user: string; database: string; session: string; pinned?: boolean },
): string {
  const parsed = new URL(pgUrl(url))
  if (parsed.pathname.length <= 1) parsed.pathname = `/${encodeURIComponent(database)}`
  if (!parsed.username) parsed.username = encodeURIComponent(user)
  parsed.searchParams.set('application_name', session)
  if (pinned)
    parsed.searchParams.set('options', '-c search_path=pg_catalog,pg_temp -c standard_conforming_strings=on')
  return parsed.href
}

const NO_CONNECTION = new Set([
  ...[
    'ECONNREFUSED',
    'ECONNRESET',
    'ENOTFOUND',
    'EAI_AGAIN',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'ETIMEDOUT',
    'ENOENT',
  ],
  ...[
    'CONNECT_TIMEOUT',
    'CONNECTION_CLOSED',
    'CONNECTION_ENDED',
    'CONNECTION_DESTROYED',
    'EPIPE',
    'ERR_INVALID_URL',
  ],
  ...['28000', '28P01', '3D000', '53300', '57P01', '57P03'],
])

/** Limits and troubles of the server, which say nothing about migrations. */
const OPERATIONAL = /^(53|55|57)/

/** What a person should read; errors of our own stay as they are. */
export function migrationFault(cause: unknown, url: string): PgfigiError {
  const isUnreachable = cause instanceof DeadlineError || cause instanceof NoServerError
  if (cause instanceof PgfigiError && !isUnreachable) return cause
  const code = codeOf(cause) ?? ''
  const message = messageOf(cause)
  const where = placeOf(url)
  const remedy = remedyOf(code)
  if (isUnreachable || NO_CONNECTION.has(code)) {
    return new MigrationError(
      'no_connection',
      `There is no connection to the database at ${where} (${message})${remedy === undefined ? ': check DATABASE_URL, and that the server runs.' : `. ${remedy}`}`,
      { cause },
    )
  }
  if (remedy !== undefined && OPERATIONAL.test(code)) {
    return new MigrationError(
      'failed',
      `${remedy} (${message}, ${code}) What was under way is rolled back.`,
      {
        cause,
      },
    )
  }
  if (code === '42501') {
    return new MigrationError(
      'missing_rights',
      `The role that DATABASE_URL names may not change the schema at ${where} (${message}): ` +
        'migrate as the role that owns the objects of pgfigi.',
      { cause },
    )
  }
  if (code === '25006') {
    return new MigrationError(
      'read_only',
      `The server at ${where} is read-only (a replica, say): migrate on the primary. Nothing was changed.`,
      { cause },
    )
  }
  if (code === '2BP01') {
    return new MigrationError(
      'in_use',
      `The migration of ${where} replaces what something of yours is built on: ${dependentsOf(cause)}. ` +
        'Drop it, migrate, and create it again. Nothing was changed by that migration.',
      { cause },
    )
  }
  if (message.includes('Failed to get exclusive lock')) {
    return new MigrationError('busy', `graphile-migrate is at work on ${where}: try again when it is done.`, {
      cause,
    })
  }
  if (message.includes('Graphile Worker schema revision')) {
    return new MigrationError(
      'newer_schema',
      `The schema graphile_worker at ${where} is newer than this pgfigi can work with: upgrade pgfigi, or use a database of its own.`,
      { cause },
    )
  }
  return new MigrationError('failed', `The migration of ${where} failed and was rolled back: ${message}`, {
    cause,
  })
}

/** What the server says depends on it, each once. */
function dependentsOf(error: unknown): string {
  const detail = error instanceof Error && 'detail' in error ? error.detail : undefined
  const lines = typeof detail === 'string' ? detail.split('\n') : [messageOf(error)]
  return [...new Set(lines)].join('; ')
}
