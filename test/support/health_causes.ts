import postgres, { type ISql, type Sql } from 'postgres'
import { type HealthOptions, type HealthStatus, healthChecks } from '../../src/database/health.ts'
import type { HealthCheck } from '../../src/http/models.ts'
import { makeCusip } from './identifiers_maker.ts'
import { observe, openSession, resolve, type Session } from './mappings.ts'

export interface HealthStage {
  /** As the owner of the database, a superuser. */
  readonly sql: Sql
  readonly url: string
  /** A server that follows it; without one the check replica_lag has no cause. */
  readonly replica?: Sql
}

/** What makes one check say so, by what it is there to find, and what makes it well again. */
export interface HealthCause {
  readonly check: string
  /** What it then says by the default thresholds. */
  readonly status: HealthStatus
  /** What its sentence then says. */
  readonly says: RegExp
  cause(): Promise<void>
  mend(): Promise<void>
}

/** What the checks say now, by their names, to a session that has the settings of now. */
export async function checksNow(
  url: string,
  options: HealthOptions = {},
): Promise<Record<string, HealthCheck>> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    return await checksIn(sql, options)
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** The same in a session or transaction that is open. */
export async function checksIn(sql: ISql, options: HealthOptions = {}): Promise<Record<string, HealthCheck>> {
  return Object.fromEntries((await healthChecks(sql as Sql, options)).map((check) => [check.name, check]))
}

/** A sign of life of a process, as such processes give it. */
export async function seeProcess(
  sql: ISql,
  {
    process,
    kind,
    ...rest
  }: { process: string; kind: string; latest_migration?: string; worker_ids?: string[] },
): Promise<void> {
  const identity = { process, kind, host: 'host-1', pid: 4711, version: '0.1.0', ...rest }
  const [row] = await sql<{ flush: string }[]>`
    select coalesce(max(flushes), 0) + 1 as flush from figi_private.processes where process = ${process}`
  await sql`
    select figi_private.record_counts(${JSON.stringify(identity)}::text::jsonb, ${row?.flush ?? 1}, '[]')`
}

/** Counts so many as of now, or of so long ago. */
async function count(
  sql: Sql,
  counter: string,
  labels: Record<string, string>,
  number: number,
  ago = '0',
): Promise<void> {
  const counts = JSON.stringify([{ counter, labels, count: number }])
  await sql.begin(async (transaction) => {
    await transaction`create temporary table before on commit drop as select * from figi_private.minute_counts`
    await transaction`select figi_private.add_counts(${counts}::text::jsonb)`
    if (ago === '0') return
    await transaction`delete from figi_private.minute_counts where counter = ${counter} and labels = ${JSON.stringify(labels)}::text::jsonb`
    await transaction`
      insert into figi_private.minute_counts (counter, labels, minute, count)
      select counter, labels, minute, count from before
      where counter = ${counter} and labels = ${JSON.stringify(labels)}::text::jsonb
      union all
      select ${counter}, ${JSON.stringify(labels)}::text::jsonb, date_trunc('minute', now() - ${ago}::text::interval), ${number}`
    await transaction`
      update figi_private.count_totals set last_at = now() - ${ago}::text::interval
      where counter = ${counter} and labels = ${JSON.stringify(labels)}::text::jsonb`
  })
}

/** What OpenFIGI answered for one CUSIP. */
export async function answer(sql: ISql, value: string, outcome: Record<string, string>): Promise<void> {
  const answers = JSON.stringify([{ identifier_type: 'CUSIP', identifier_value: value, ...outcome }])
  await sql`select figi_private.record_answers(${answers}::text::jsonb)`
}

/** Sets it for the sessions to come in this database; null resets it. */
export async function setHere(sql: Sql, setting: string, value: string | null): Promise<void> {
  const [row] = await sql<{ name: string }[]>`select current_database() as name`
  const name = setting
    .split('.')
    .map((part) => `"${part}"`)
    .join('.')
  const change = value === null ? `reset ${name}` : `set ${name} = '${value}'`
  await sql.unsafe(`alter database "${row?.name}" ${change}`)
}

/** Two tickers of 037833100 at the same time, written past what forbids it. */
export async function breakLaws(sql: ISql): Promise<void> {
  await sql`alter table public.security_mappings disable trigger forbid_overlap_after_insert`
  await sql`
    insert into public.security_mappings (identifier_type, identifier_value, ticker, start_date, end_date, last_fetched_date)
    values
      ('CUSIP', '037833100', 'A', '2020-01-01Z', '2021-01-01Z', '2021-01-01Z'),
      ('CUSIP', '037833100', 'B', '2020-06-01Z', null, now())`
}

const listing = { outcome: 'listing', ticker: 'T' }

/** A cause for every check, each of its own: all of them can be there at once. */
export function healthCauses({ sql, url, replica }: HealthStage): HealthCause[] {
  const overlapping = makeCusip(9_001)
  const waiting = makeCusip(9_002)
  const refused = makeCusip(9_003)
  // Fewer than the latest rows that are always looked at for the laws.
  const stale = Array.from({ length: 400 }, (_, n) => makeCusip(n + 10_000))
  const sessions: Session[] = []

  const causes: HealthCause[] = [
    {
      check: 'laws',
      status: 'fail',
      says: /periods_do_not_overlap \(CUSIP \w{9}\), and 1 more\..*pgfigi health --whole/,
      async cause() {
        await observe(sql, 'CUSIP', overlapping, 'ONE', '2020-01-01Z')
        await sql`alter table public.security_mappings disable trigger forbid_overlap_after_insert`
        await sql`
          insert into public.security_mappings
            (identifier_type, identifier_value, ticker, start_date, end_date, last_fetched_date)
          values ('CUSIP', ${overlapping}, 'TWO', '2021-01-01Z', '2022-01-01Z', '2021-06-01Z')`
      },
      async mend() {
        await sql`alter table public.security_mappings enable trigger forbid_overlap_after_insert`
        await sql`delete from public.security_mappings where identifier_value = ${overlapping}`
      },
    },
    {
      check: 'migrations',
      status: 'fail',
      says: /at migration 0{5}\d, and pgfigi at 000099\. Run pgfigi migrate up/,
      async cause() {
        await seeProcess(sql, { process: 'newer', kind: 'client', latest_migration: '000099' })
        // It lives as long as that, however long the other causes take.
        await sql`update figi_private.processes set seen_at = now() + interval '10 minutes' where process = 'newer'`
      },
      async mend() {
        await sql`select figi_private.process_ended('newer')`
      },
    },
    {
      check: 'worker_seen',
      status: 'fail',
      says: /A worker was seen 1\d min ago\. Start one/,
      async cause() {
        await seeProcess(sql, { process: 'killed', kind: 'worker' })
        await sql`delete from figi_private.processes where kind = 'worker' and process <> 'killed'`
        await sql`update figi_private.processes set seen_at = now() - interval '10 minutes' where process = 'killed'`
      },
      mend: () => seeProcess(sql, { process: 'started again', kind: 'worker' }),
    },
    {
      check: 'oldest_request',
      status: 'fail',
      says: /The oldest lookup has waited for 2 h; \d+ requests? waits? in all/,
      async cause() {
        await resolve(sql, 'CUSIP', waiting)
        await sql`
          update figi_private.fetch_requests set requested_at = now() - interval '2 hours'
          where identifier_value = ${waiting}`
      },
      mend: () => answer(sql, waiting, listing),
    },
    {
      check: 'gave_up',
      status: 'warn',
      says: /^1 request gave up, the latest: CUSIP \w{9}, 'Invalid idValue format\.'\./,
      async cause() {
        await resolve(sql, 'CUSIP', refused)
        for (let time = 0; time < 4; time++)
          await answer(sql, refused, { outcome: 'error', message: 'Invalid idValue format.' })
      },
      mend: () => answer(sql, refused, listing),
    },
    {
      check: 'last_answer',
      status: 'fail',
      says: /OpenFIGI answered 3 h ago, and requests have waited for/,
      async cause() {
        await count(sql, 'openfigi_requests', { code: '200' }, 1, '3 hours')
        await count(sql, 'openfigi_requests', { code: 'none' }, 1)
        await sql`select public.warm_mappings('CUSIP', ${[makeCusip(9_004)]})`
        await sql`
          update figi_private.fetch_requests set requested_at = now() - interval '40 minutes'
          where identifier_value = ${makeCusip(9_004)}`
      },
      async mend() {
        await count(sql, 'openfigi_requests', { code: '200' }, 1)
        await answer(sql, makeCusip(9_004), listing)
      },
    },
    {
      check: 'budget_blocked',
      status: 'fail',
      says: /Nothing is sent to OpenFIGI for another (1\d|20) min/,
      async cause() {
        await sql`select figi_private.block_api_budget('anonymous', '20 minutes')`
      },
      async mend() {
        await sql`update figi_private.api_budgets set blocked_until = blocked_until - interval '20 minutes'`
      },
    },
    {
      check: 'key_refused',
      status: 'fail',
      says: /refused 3 requests within the last hour.*OPENFIGI_API_KEY/,
      cause: () => count(sql, 'openfigi_requests', { code: '401' }, 3),
      async mend() {
        await sql`
          update figi_private.minute_counts set minute = minute - interval '2 hours'
          where labels = '{"code": "401"}'`
      },
    },
    {
      check: 'rate_limited',
      status: 'fail',
      says: /answered 25 requests within the last hour with 429/,
      cause: () => count(sql, 'openfigi_requests', { code: '429' }, 25),
      async mend() {
        await sql`
          update figi_private.minute_counts set minute = minute - interval '2 hours'
          where labels = '{"code": "429"}'`
      },
    },
    {
      check: 'stale_share',
      status: 'fail',
      says: /4\d\d of 4\d\d current answers are older than 60 days\. .*pgfigi refresh/,
      cause: () => observeAll(sql, stale, '90 days'),
      mend: () => observeAll(sql, stale, '0'),
    },
    {
      check: 'negative_share',
      status: 'fail',
      says: /Of the last hour's 100 answers 90% were .*seven days before 10%/,
      async cause() {
        await count(sql, 'openfigi_answers', { outcome: 'none' }, 100, '2 days')
        await count(sql, 'openfigi_answers', { outcome: 'listing' }, 900, '2 days')
        await count(sql, 'openfigi_answers', { outcome: 'none' }, 90)
        await count(sql, 'openfigi_answers', { outcome: 'listing' }, 10)
      },
      mend: () => count(sql, 'openfigi_answers', { outcome: 'listing' }, 900),
    },
    {
      check: 'dead_jobs',
      status: 'warn',
      says: /^1 job is held by a worker that is gone, the oldest since [5-9] min\. pgfigi worker unlock/,
      async cause() {
        await sql`select graphile_worker.add_job('refresh_stale_mappings')`
        await sql`
          update graphile_worker._private_jobs set locked_by = 'worker-killed', locked_at = now() - interval '5 minutes'
          where task_id = (select id from graphile_worker._private_tasks where identifier = 'refresh_stale_mappings')
            and locked_by is null`
      },
      async mend() {
        await sql`select figi_private.unlock_dead_jobs()`
      },
    },
    {
      check: 'failed_jobs',
      status: 'warn',
      says: /^1 job has failed for good, the latest fetch_mappings: 'out of luck'\..*complete_jobs\(array\[\d+\]\)/,
      async cause() {
        await sql`
          select graphile_worker.permanently_fail_jobs(array[(graphile_worker.add_job('fetch_mappings')).id], 'out of luck')`
      },
      async mend() {
        await sql`
          select graphile_worker.complete_jobs(array(select j.id from graphile_worker.jobs j where j.last_error = 'out of luck'))`
      },
    },
    {
      check: 'bloat',
      status: 'fail',
      says: /100% of the rows of figi_private.actions \(\d+ MB\) are dead\. Run: vacuum/,
      async cause() {
        await sql.begin(async (transaction) => {
          await transaction`
            insert into figi_private.actions (who, address, action, subject, outcome)
            select 'me', '::1', 'fetch', '', repeat('x', 1900) from generate_series(1, 30000)`
          await transaction`delete from figi_private.actions where length(outcome) = 1900`
          // Else a session tells its numbers at most once a second. PostgreSQL 15 and newer.
          await transaction`select pg_stat_force_next_flush()`
        })
      },
      async mend() {
        await sql`vacuum figi_private.actions`
      },
    },
    {
      check: 'connections',
      status: 'fail',
      says: /\d+ of \d+ connections are in use/,
      async cause() {
        const [row] = await sql<{ most: number }[]>`select current_setting('max_connections')::int as most`
        const most = row?.most ?? 0
        while (sessions.length < 8) sessions.push(await openSession(url))
        // As many as that are too many here, also when everybody else on the server has gone.
        await setHere(sql, 'pgfigi.health_connections_warn', String(2 / most))
        await setHere(sql, 'pgfigi.health_connections_fail', String(4 / most))
      },
      async mend() {
        await setHere(sql, 'pgfigi.health_connections_warn', null)
        await setHere(sql, 'pgfigi.health_connections_fail', null)
        for (const session of sessions.splice(0)) await session[Symbol.asyncDispose]()
      },
    },
    {
      check: 'settings',
      status: 'warn',
      says: /pgfigi\.health_gave_up_fail is no number: 'many'; pgfigi\.health_gave_upp_warn is no setting of pgfigi/,
      async cause() {
        await setHere(sql, 'pgfigi.health_gave_up_fail', 'many')
        await setHere(sql, 'pgfigi.health_gave_upp_warn', '7')
      },
      async mend() {
        await setHere(sql, 'pgfigi.health_gave_up_fail', null)
        await setHere(sql, 'pgfigi.health_gave_upp_warn', null)
      },
    },
  ]
  if (replica)
    causes.push({
      check: 'replica_lag',
      status: 'fail',
      says: /1 replica follows; the slowest, \S+, is \d+ (s|min) behind/,
      async cause() {
        await replica`select pg_wal_replay_pause()`
        await setHere(sql, 'pgfigi.health_replica_lag_warn', '0.5')
        await setHere(sql, 'pgfigi.health_replica_lag_fail', '1')
        for (let time = 0; time < 5; time++) {
          await sql`create table if not exists public.written ()`
          await sql`drop table public.written`
          await new Promise((done) => setTimeout(done, 500))
        }
      },
      async mend() {
        await replica`select pg_wal_replay_resume()`
        await setHere(sql, 'pgfigi.health_replica_lag_warn', null)
        await setHere(sql, 'pgfigi.health_replica_lag_fail', null)
      },
    })
  return causes
}

async function observeAll(sql: Sql, values: readonly string[], ago: string): Promise<void> {
  await sql`
    select count(*) from public.upsert_mappings(
      array_fill('CUSIP'::text, array[${values.length}::int]), ${values as string[]}, array_fill('T'::text, array[${values.length}::int]),
      now() - ${ago}::text::interval
    )`
}
