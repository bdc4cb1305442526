import type { Health, HealthCheck } from '../http/models.ts'
import type { Sql } from './connect.ts'
import { codeOf, hasEndedConnection, isAway } from './faults.ts'

export type HealthStatus = HealthCheck['status']

export interface HealthOptions {
  /** Read all rows for the laws, which takes long, instead of a sample. */
  readonly whole?: boolean
  /** The newest migration that this pgfigi knows, for example 000003. */
  readonly latestMigration?: string | null
}

/** The rows of health_checks, in their order. */
export async function healthChecks(
  sql: Sql,
  { whole = false, latestMigration = null }: HealthOptions = {},
): Promise<HealthCheck[]> {
  const rows = await sql<HealthCheck[]>`
    select c.name, c.status, c.value::float8, c.unit, c.threshold::float8, c.fails_at::float8, c.sentence
    from public.health_checks(${whole}, ${latestMigration}) c`
  return rows.map((row) => ({ ...row }))
}

const severity: Readonly<Record<HealthStatus, number>> = { ok: 0, warn: 1, fail: 2 }

function worstOf(checks: readonly Pick<HealthCheck, 'status'>[]): HealthStatus {
  return checks.reduce<HealthStatus>((worst, { status }) => (isWorse(status, worst) ? status : worst), 'ok')
}

/** The same checks, those that fail first; else in their order. */
export function worstFirst(checks: readonly HealthCheck[]): HealthCheck[] {
  return checks.toSorted((a, b) => severity[b.status] - severity[a.status])
}

/** What the checks say in all, as of now by this machine's clock. */
export function reportOf(checks: HealthCheck[]): Health {
  return { status: worstOf(checks), checked_at: new Date().toISOString(), checks }
}

/**
 * The one check that is left where health_checks cannot be asked, for this error in plain words: `database` where it cannot be
 * reached, `migrations` where it has no such function, `rights` where the role may not ask, else `health_checks`.
 */
export function failedCheck(error: unknown, sentence: string): HealthCheck {
  return failing(
    cannotAnswer(error) ? 'database' : (causes[codeOf(error) ?? ''] ?? 'health_checks'),
    sentence,
  )
}

const causes: Readonly<Record<string, string>> = {
  '42501': 'rights',
  '42883': 'migrations',
  '3F000': 'migrations',
  '42P01': 'migrations',
}

/** Whether the database is away or lets nobody in, rather than that it answers with an error. */
export function cannotAnswer(error: unknown): boolean {
  const isAnswer = error instanceof Error && 'severity' in error
  return !isAnswer || isAway(error) || hasEndedConnection(error)
}

/** A check that fails without anything to measure. */
export function failing(name: string, sentence: string): HealthCheck {
  return { name, status: 'fail', value: null, unit: '', threshold: null, fails_at: null, sentence }
}

function isWorse(one: HealthStatus, other: HealthStatus): boolean {
  return severity[one] > severity[other]
}
