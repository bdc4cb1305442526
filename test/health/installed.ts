import type { Sql } from 'postgres'
import * as assert from 'uvu/assert'
import { latestMigration } from '../../src/database/migrations_folder.ts'
import { type Running, type RunOptions, start } from '../cli/pgfigi.ts'
import { checksNow } from '../support/health_causes.ts'
import type { Simulator } from '../support/openfigi_simulator.ts'
import { until } from '../support/until.ts'
import type { Servers } from './servers.ts'

/** pgfigi on servers of its own, with a simulator of OpenFIGI. */
export interface Installed extends Servers {
  readonly openfigi: Simulator
  /** The program of the next version. */
  readonly main: string
  readonly env: Readonly<Record<string, string>>
  /** Every process that was started, to be ended when all is over. */
  readonly running: Running[]
}

/** Starts `pgfigi`, and keeps it among what runs. */
export function startAmong(running: Running[], args: readonly string[], options: RunOptions): Running {
  const started = start(args, options)
  running.push(started)
  return started
}

/** How many requests wait to be fetched. */
export async function waitingFor(sql: Sql): Promise<number> {
  const rows = await sql`select from figi_private.fetch_requests where gave_up_at is null`
  return rows.length
}

/** As if the minute were over after which the page opens new ones, which have the settings of now. */
export async function endPageSessions(sql: Sql): Promise<void> {
  await sql`
    select pg_terminate_backend(pid, 60000) from pg_stat_activity
    where application_name = 'pgfigi page' and datname = current_database()`
}

/** Waits until exactly these checks (name and status) are not well, as the next version of pgfigi asks. */
export async function untilUnwell(url: string, expected: readonly string[]): Promise<void> {
  const next = String(Number(await latestMigration()) + 1).padStart(6, '0')
  const unwell = async () =>
    Object.values(await checksNow(url, { latestMigration: next })).filter(({ status }) => status !== 'ok')
  const isSo = async () =>
    (await unwell()).map(({ name, status }) => `${name} ${status}`).join() === expected.join()
  await until('the checks', isSo).catch(async () => {
    assert.equal(
      (await unwell()).map(({ name, status, sentence }) => `${name} ${status}: ${sentence}`),
      expected,
    )
  })
}
