import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from 'postgres'
import * as assert from 'uvu/assert'
import { run } from '../cli/pgfigi.ts'
import { breakLaws, setHere } from '../support/health_causes.ts'
import { makeCusip, makeCusips } from '../support/identifiers_maker.ts'
import { openSession, resolve, type Session } from '../support/mappings.ts'
import { timePasses } from '../support/time_passes.ts'
import { until } from '../support/until.ts'
import { endPageSessions, type Installed, startAmong, waitingFor } from './installed.ts'

const old = makeCusips(0, 200)
const recent = makeCusips(1_000, 60)
const unknown = makeCusips(2_000, 60)
const waiting = makeCusips(3_000, 60)
const invalid = makeCusip(4_000)

/** What goes wrong between workers, OpenFIGI and a replica. No worker is left. */
export async function breakTheWork({ sql, openfigi, env, replica, running }: Installed): Promise<void> {
  const ask = async (values: readonly string[]) => {
    const { code, stderr } = await run(['resolve', ...values], { env })
    assert.is(code, 0, stderr)
  }
  const work = async (more: Record<string, string>) => {
    const worker = startAmong(running, ['worker'], { env: { ...env, ...more } })
    await worker.printed('Ready.')
    return worker
  }
  // The one check whose time cannot be turned back: seconds are enough.
  await setHere(sql, 'pgfigi.health_replica_lag_warn', '0.5')
  await setHere(sql, 'pgfigi.health_replica_lag_fail', '1')
  await ask(old)
  await timePasses(sql, '70 days')
  await ask(recent)
  await timePasses(sql, '2 days')
  if (replica) await replica`select pg_wal_replay_pause()`

  for (const value of unknown) openfigi.set(value, 'unknown')
  openfigi.set(invalid, { error: 'Invalid idValue format.' })
  const first = await work({ OPENFIGI_JOBS_PER_REQUEST: '2' })
  for (const value of [...unknown, invalid]) await resolve(sql, 'CUSIP', value)
  for (let attempts = 1; attempts < 4; attempts++) {
    await until(`attempt ${attempts}`, async () => (await attemptsAt(sql, invalid)) >= attempts)
    // As if the pause before the next attempt were over.
    await sql`update figi_private.fetch_requests set not_before = clock_timestamp() where identifier_value = ${invalid}`
  }
  await until('the unknown are known to be so', async () => (await waitingFor(sql)) === 0)

  // All of them are under way before the first is refused, after which nothing more would be sent.
  let sent = 0
  const enough = Promise.withResolvers<void>()
  openfigi.setLatency(async () => {
    sent += 1
    if (sent > 20) enough.resolve()
    await Promise.race([enough.promise, sleep(15_000, undefined, { ref: false })])
    return 0
  })
  openfigi.fail({ kind: 'hang', idValues: [waiting[0] ?? ''], times: Number.POSITIVE_INFINITY })
  // After the six minutes below it is a warning for nearly four more.
  openfigi.fail({ status: 429, retryAfter: 650, times: Number.POSITIVE_INFINITY })
  await sql`select count(*) from public.resolve_mappings('CUSIP', ${waiting})`
  await until('20 answers 429 are counted', async () => {
    const [row] = await sql<{ count: number }[]>`
      select coalesce(sum(count), 0)::int as count from figi_private.minute_counts where labels ->> 'code' = '429'`
    return (row?.count ?? 0) >= 20
  })
  first.child.kill('SIGKILL')
  await first.ended
  await timePasses(sql, '6 minutes')

  const second = await work({ OPENFIGI_API_KEY: 'typing-error' })
  await until('a job has failed for good', async () => {
    const jobs =
      await sql`select from graphile_worker.jobs where attempts >= max_attempts and locked_by is null`
    return jobs.length > 0
  })
  second.child.kill('SIGTERM')
  await second.ended
}

/** What people do to a database; the sessions that they leave open. */
export async function breakTheDatabase({ sql, url }: Installed): Promise<Session[]> {
  await breakLaws(sql)
  await setHere(sql, 'pgfigi.health_gave_up_fail', 'many')
  await endPageSessions(sql)
  // Autovacuum is off.
  await sql`
    insert into figi_private.actions (who, address, action, subject, outcome)
    select 'me', '::1', 'fetch', '', repeat('x', 1900) from generate_series(1, 4000)`
  for (const letter of 'abcdef')
    await sql.begin(async (transaction) => {
      await transaction`update figi_private.actions set outcome = repeat(${letter}, 1900)`
      // Else a session tells its numbers at most once a second. PostgreSQL 15 and newer.
      await transaction`select pg_stat_force_next_flush()`
    })
  const share = async () => {
    const [row] = await sql<{ share: number }[]>`
      select count(*)::float8 / current_setting('max_connections')::int as share
      from pg_stat_activity where datid is not null and backend_type = 'client backend'`
    return row?.share ?? 0
  }
  const sessions: Session[] = []
  while ((await share()) < 0.82) sessions.push(await openSession(url))
  return sessions
}

/** How often OpenFIGI has answered this one with an error; the worker tries again by itself, too, after some seconds. */
async function attemptsAt(sql: Sql, value: string): Promise<number> {
  const [row] = await sql<{ attempts: number }[]>`
    select attempts::int from figi_private.fetch_requests where identifier_value = ${value} and claimed_by is null`
  return row?.attempts ?? 0
}
