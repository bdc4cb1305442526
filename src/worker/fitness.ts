import type { Sql } from '../database/connect.ts'
import { isAway } from '../database/faults.ts'
import { requireApplied } from '../database/migrate_checks.ts'
import type { CommittedMigration } from '../database/migrations_folder.ts'
import { ClockError } from '../errors/clock_error.ts'
import { DatabaseError } from '../errors/database_error.ts'
import { PgfigiError } from '../errors/pgfigi_error.ts'
import { sleepFor } from '../waiting.ts'

/** The crontab's jobs come by the machine's clock: a little early or late does no harm. */
export const mostClockOffsetMs = 600_000

/** Throws where the schema is of another version than these migrations, or the clocks differ: a worker that went on would do harm. */
export async function requireFit(sql: Sql, ours: readonly CommittedMigration[]): Promise<void> {
  await requireApplied(sql, ours)
  const askedAt = Date.now()
  const [database] = await sql<[{ now: number }]>`
    select (extract(epoch from pg_catalog.clock_timestamp()) * 1000.0)::float8 as now`
  const aheadMs = (askedAt + Date.now()) / 2 - database.now
  if (Math.abs(aheadMs) > mostClockOffsetMs) throw new ClockError(aheadMs)
}

/**
 * Throws where sessions of this role begin with settings under which a worker cannot write, or PostgreSQL reads or writes
 * values otherwise than it is told.
 */
export async function requireSettings(sql: Sql): Promise<void> {
  const unfit = await sql<{ role: string; name: string; value: string; needed: string }[]>`
    select pg_catalog.quote_ident(current_user) as role, s.name, s.setting as value, needed.setting as needed
    from (
      values
        ('default_transaction_isolation', 'read committed'),
        ('default_transaction_read_only', 'off'),
        ('array_nulls', 'on'),
        ('transform_null_equals', 'off')
    ) as needed (name, setting)
    join pg_catalog.pg_settings s on s.name = needed.name and s.setting <> needed.setting`
  const [first] = unfit
  if (!first) return
  const found = unfit.map(({ name, value }) => `${name} = ${value}`).join(', ')
  const remedies = unfit.map(({ name, needed }) => `alter role ${first.role} set ${name} = '${needed}';`)
  throw new DatabaseError(
    `Sessions of the role ${first.role} begin with ${found}, under which a worker cannot write. Run: ${remedies.join(' ')}`,
    undefined,
  )
}

/**
 * Looks again and again whether the worker is fit, until the signal aborts; rejects as soon as it is not. A database that is
 * away, or refuses the look, tells nothing. The check has a deadline of its own.
 */
export async function watchFitness(
  check: () => Promise<void>,
  everyMs: number,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await sleepFor(everyMs, signal).catch(() => {})
    if (signal.aborted) return
    try {
      await check()
    } catch (error) {
      if (error instanceof PgfigiError && !isAway(error)) throw error
    }
  }
}
