import type { Sql } from '../database/connect.ts'
import { queryDeadlineMs, within } from '../database/deadline.ts'
import { isAway } from '../database/faults.ts'
import { requireApplied } from '../database/migrate_checks.ts'
import { committedMigrations, migrationsFolder } from '../database/migrations_folder.ts'
import { ClockError } from '../errors/clock_error.ts'
import { DatabaseError } from '../errors/database_error.ts'
import { PgfigiError } from '../errors/pgfigi_error.ts'
import { sleepFor } from '../openfigi/waiting.ts'

/** The crontab's jobs come by the machine's clock: a little early or late does no harm. */
const mostClockOffsetMs = 600_000

/** Throws where the schema is of another version, or the clocks differ: a worker that went on would do harm. */
export async function requireFit(sql: Sql): Promise<void> {
  await requireApplied(sql, await committedMigrations(migrationsFolder()))
  const askedAt = Date.now()
  const [database] = await sql<[{ now: number }]>`
    select (extract(epoch from clock_timestamp()) * 1000)::float8 as now`
  const aheadMs = (askedAt + Date.now()) / 2 - database.now
  if (Math.abs(aheadMs) > mostClockOffsetMs) throw new ClockError(aheadMs)
}

/** Throws where sessions of this role begin in a way in which a worker cannot write. */
export async function requireSettings(sql: Sql): Promise<void> {
  const [unfit] = await sql<{ role: string; name: string; value: string }[]>`
    select quote_ident(current_user) as role, s.name, s.setting as value
    from pg_settings s
    where (s.name = 'default_transaction_isolation' and s.setting <> 'read committed')
      or (s.name = 'default_transaction_read_only' and s.setting = 'on')
    limit 1`
  if (!unfit) return
  const { role, name, value } = unfit
  throw new DatabaseError(
    `Sessions of the role ${role} begin with ${name} = ${value}, and a worker writes in read committed transactions: ` +
      `alter role ${role} set ${name} = ${value === 'on' ? 'off' : "'read committed'"};`,
    undefined,
  )
}

/**
 * Looks again and again whether the worker is fit, until the signal aborts; rejects as soon as it is not. A database that is
 * away, or refuses the look, tells nothing.
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
      await within(queryDeadlineMs, 'The database', check())
    } catch (error) {
      if (error instanceof PgfigiError && !isAway(error)) throw error
    }
  }
}
