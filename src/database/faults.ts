import { DatabaseError } from '../errors/database_error.ts'
import { DeadlineError } from '../errors/deadline_error.ts'
import { NoServerError } from '../errors/no_server_error.ts'
import { PgfigiError } from '../errors/pgfigi_error.ts'
import { messageOf } from '../message_of.ts'

/** Codes of the driver and of the system for a connection that is not there, or no longer. */
const connectionFaults = new Set([
  'CONNECT_TIMEOUT',
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
])

/** 08: connection exception; 57P01 to 57P05: the server stops, starts or drops idle sessions; 53300: too many clients. */
const awayStates = /^(08...|57P0[1-5]|53300|58...|XX000)$/

/** What a person has to mend, by SQLSTATE. */
const remedies: Readonly<Record<string, string>> = {
  '28P01': 'The database refused the password: check DATABASE_URL.',
  '28000': 'The database refused this role or host: check DATABASE_URL and pg_hba.conf.',
  '3D000':
    'That database does not exist: check the name at the end of DATABASE_URL, or create it with createdb.',
  '42501': 'The role in DATABASE_URL lacks a right: see "Rights" in the README for the grants.',
  '42883': 'The database has no pgfigi, or an older one: run pgfigi migrate up.',
  '42P01': 'The database has no pgfigi, or an older one: run pgfigi migrate up.',
  '22007':
    'The database has a setting that cannot be read, pgfigi.cache_max_age most likely: set it right (alter database ... set pgfigi.cache_max_age to ...) or reset it; pgfigi health names it.',
  '22008':
    'The database has a setting that is out of range, pgfigi.cache_max_age most likely: set it right (alter database ... set pgfigi.cache_max_age to ...) or reset it; pgfigi health names it.',
  '3F000': 'The database has no pgfigi, or an older one: run pgfigi migrate up.',
  '42703': 'The database has no pgfigi, or an older one: run pgfigi migrate up.',
  '42704': 'The database has no pgfigi, or an older one: run pgfigi migrate up.',
  '25006': 'The database is read-only (a standby?): point DATABASE_URL to the primary.',
  '25P02':
    'The database broke off the transaction, as statement_timeout does: raise statement_timeout for the role in DATABASE_URL, or run the same again.',
  PF003:
    "Sessions of this role do not begin in read committed transactions, in which alone mappings are written: alter role ... set default_transaction_isolation = 'read committed'.",
  '53100': 'The disk of the database is full: free space, then run the same again.',
  '53200':
    'The server of the database has no memory left: let other work on it end, then run the same again.',
  '53300':
    'The database takes no more connections: end some (pg_stat_activity shows them), or raise max_connections or the connection limit of the role in DATABASE_URL.',
  '55P03':
    'Another session holds a lock for longer than lock_timeout allows: run the same again when it has ended (pg_stat_activity shows it), or raise lock_timeout for the role in DATABASE_URL.',
  '57014':
    'The statement took longer than statement_timeout allows, or somebody cancelled it: raise statement_timeout for the role in DATABASE_URL, or run the same again.',
}

/** The SQLSTATE or driver code of an error, if it has one. */
export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}

/** What a person has to mend where the database answers with this SQLSTATE, if that is known. */
export function remedyOf(code: string | undefined): string | undefined {
  return remedies[code ?? '']
}

/** Whether the database cannot be reached just now, so that waiting or doing without it makes sense. */
export function isAway(error: unknown): boolean {
  const code = codeOf(error) ?? ''
  const isTemporary = error instanceof DeadlineError || error instanceof NoServerError
  return isTemporary || connectionFaults.has(code) || awayStates.test(code)
}

/** Data exception, integrity constraint, a limit of the program (such as the size of an index row), an invalid identifier. */
const refusingStates = /^(22...|23...|54000|PF001)$/

/** Whether the database refuses what it was to write, and will refuse it each time. */
export function isRefusal(error: unknown): boolean {
  return refusingStates.test(codeOf(error) ?? '')
}

/** Whether the connection that gave this error is gone with it: the server answers nothing more on it. */
export function hasEndedConnection(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const severity = 'severity' in error ? error.severity : undefined
  return (
    severity === 'FATAL' ||
    severity === 'PANIC' ||
    'syscall' in error ||
    connectionFaults.has(codeOf(error) ?? '')
  )
}

/**
 * The error that a person should read: with the remedy where there is one, and never with a connection string. `variable` names
 * the database that it is about.
 */
export function explained(error: unknown, variable = 'DATABASE_URL'): unknown {
  if (error instanceof PgfigiError) return error
  const code = codeOf(error)
  const remedy = remedyOf(code)?.replace('DATABASE_URL', variable)
  if (remedy !== undefined)
    return new DatabaseError(`${remedy} (${messageOf(error)}, ${code})`, code, { cause: error })
  if (isAway(error)) {
    return new DatabaseError(
      `The database cannot be reached: ${messageOf(error)}. Check ${variable}, and that the server runs.`,
      code,
      { cause: error },
    )
  }
  return error
}
