import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Logger, parseCrontab, runOnce } from 'graphile-worker'
import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import { silentLogger } from '../../src/log.ts'
import { openWorkerContext } from '../../src/worker/context.ts'
import { refreshableUntilNextRun, refreshEveryMs, refreshWithinBudget } from '../../src/worker/refresh.ts'
import { startWorker } from '../../src/worker/run.ts'
import { workerSettings } from '../../src/worker/settings.ts'
import fetchMappings from '../../tasks/fetch_mappings.ts'
import refreshStaleMappings from '../../tasks/refresh_stale_mappings.ts'
import { spawnCommand } from '../support/child.ts'
import { packageRoot } from '../support/cluster.ts'
import { makeCusip, makeCusips } from '../support/identifiers_maker.ts'
import { observe, resolve } from '../support/mappings.ts'
import { knownSecurities } from '../support/openfigi_simulator.ts'
import { until } from '../support/until.ts'
import { type WorkerStage, withWorkerStage } from '../support/worker_stage.ts'

const test = suite('the worker')
const quiet = new Logger(() => () => {})
const { apple, bond, ibm } = knownSecurities

function staged(work: (stage: WorkerStage) => Promise<void>, latencyMs = 300): Promise<void> {
  return withWorkerStage({ latencyMs }, work)
}

const statusOf = async (sql: Sql, value: string) => (await resolve(sql, 'CUSIP', value)).status

test('turns a miss in SQL into a hit within two seconds', () =>
  staged(async ({ sql, url, environment, sim }) => {
    const worker = await startWorker(parseConfig(environment), url, silentLogger)
    try {
      for (const { key } of [apple, bond]) {
        assert.is(await statusOf(sql, key), 'miss')
        const ms = await until('it is a hit', async () => (await statusOf(sql, key)) === 'hit')
        console.log(`\n    ${key} is a hit after ${Math.round(ms)} ms at a latency of 300 ms`)
        // The cron would come within a minute.
        assert.ok(ms < 20_000)
      }
      assert.is(sim.requestsFor(apple.key).length, 1, 'looking again asks for nothing again')
      sim.set(makeCusip(1), 'unknown')
      assert.is(await statusOf(sql, makeCusip(1)), 'miss')
      await until('it is known to be unknown', async () => (await statusOf(sql, makeCusip(1))) === 'negative')
    } finally {
      await worker.stop()
    }
  }))

test('fetches what was requested in the moment in which it was done', () =>
  staged(async ({ sql, url, environment }) => {
    const worker = await startWorker(parseConfig(environment), url, silentLogger)
    try {
      // One after the other: each comes in as the drain for the one before ends.
      for (const value of makeCusips(0, 40)) {
        await resolve(sql, 'CUSIP', value)
        await until(`${value} is known`, async () => (await statusOf(sql, value)) !== 'miss', 25)
      }
    } finally {
      await worker.stop()
    }
  }, 0))

test('drains what waits when it starts, without a job', () =>
  staged(async ({ sql, url, environment }) => {
    await sql`select from public.resolve_mappings('CUSIP', ${makeCusips(0, 150)})`
    await sql`delete from graphile_worker._private_jobs`
    const worker = await startWorker(parseConfig(environment), url, silentLogger)
    try {
      await until(
        'the queue is empty',
        async () => (await sql`select from figi_private.fetch_requests`).length === 0,
        20,
      )
    } finally {
      await worker.stop()
    }
  }))

test('goes on after the server has thrown out all its sessions', () =>
  staged(async ({ sql, url, environment }) => {
    const worker = await startWorker(parseConfig(environment), url, silentLogger)
    try {
      await sql`select from public.resolve_mappings('CUSIP', ${makeCusips(0, 50)})`
      await until('some are known', async () => (await statusOf(sql, makeCusip(0))) !== 'miss')
      await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`.catch(
        () => {},
      )
      await until(
        'it is a hit',
        async () => (await statusOf(sql, apple.key).catch(() => 'miss')) === 'hit',
        60,
      )
    } finally {
      await worker.stop()
    }
  }))

test('runs under plain graphile-worker, too, and ends at SIGTERM', () =>
  staged(async ({ sql, environment }) => {
    await sql`select from public.resolve_mappings('CUSIP', ${makeCusips(0, 20)})`
    await sql`delete from graphile_worker._private_jobs`
    await using worker = spawnCommand(
      process.execPath,
      [join(packageRoot, 'node_modules', 'graphile-worker', 'dist', 'cli.js')],
      environment,
    )
    await until(
      'the queue is empty',
      async () => (await sql`select from figi_private.fetch_requests`).length === 0,
    ).catch((error) => {
      throw new Error(`${error.message}\n${worker.output()}`)
    })
    assert.is(await statusOf(sql, apple.key), 'miss')
    const ms = await until('it is a hit', async () => (await statusOf(sql, apple.key)) === 'hit')
    console.log(`\n    a hit after ${Math.round(ms)} ms under the command line of graphile-worker`)
    const processes = async () => (await sql`select from figi_private.processes`).length
    assert.is(await processes(), 1)
    // Counted, but not written before the next five seconds are over.
    const asked = performance.now()
    await worker.end('SIGTERM')
    assert.ok(performance.now() - asked < 30_000)
    assert.is(await processes(), 0, 'its row is gone')
    const [counted] = await sql<[{ total: number }]>`
      select coalesce(sum(total), 0)::int as total
      from figi_private.counter_totals()
      where counter = 'worker_jobs'
        and labels ->> 'task' = 'fetch_mappings'`
    assert.ok(counted.total >= 2, 'its last counts are written')
    assert.not.match(worker.output(), 'rror')
    assert.equal((await sql`select from figi_private.fetch_requests`).length, 0)
  }))

/** Runs the jobs that wait, by our tasks, in this process. */
async function runJobs({ url, environment }: WorkerStage, more: Record<string, string> = {}): Promise<void> {
  const config = parseConfig({ ...environment, ...more })
  const context = openWorkerContext(config, url, silentLogger)
  try {
    const tasks = { fetch_mappings: fetchMappings, refresh_stale_mappings: refreshStaleMappings }
    await runOnce({ connectionString: url, taskList: tasks, noHandleSignals: true, logger: quiet })
  } finally {
    await context.close()
  }
}

test('refreshes what is stale only where that is switched on', () =>
  staged(async ({ sql, environment }) => {
    for (const value of [apple.key, ibm.key]) await observe(sql, 'CUSIP', value, 'OLD', '2020-01-01')
    const off = parseConfig(environment)
    const on = parseConfig({ ...environment, OPENFIGI_AUTO_REFRESH_STALE: 'true' })
    await sql`delete from graphile_worker._private_jobs`
    assert.is(await refreshWithinBudget(sql, off), 0)
    assert.is((await sql`select from figi_private.fetch_requests`).length, 0)
    assert.is(await refreshWithinBudget(sql, on), 2)
    assert.is(await refreshWithinBudget(sql, on), 0, 'what is requested is not requested again')
    const [{ jobs = 0 } = {}] = await sql<{ jobs: number }[]>`
      select count(*)::int as jobs from graphile_worker.jobs where task_identifier = 'fetch_mappings'`
    assert.is(jobs, 1)
  }))

test('refreshes no more than the budget can fetch before the next time', () =>
  staged(async ({ sql, environment }) => {
    const limit = { OPENFIGI_RATE_LIMIT: '1/60m', OPENFIGI_JOBS_PER_REQUEST: '10' }
    const config = parseConfig({ ...environment, ...limit, OPENFIGI_AUTO_REFRESH_STALE: 'true' })
    assert.is(refreshableUntilNextRun(config), 5)
    const keyed = { rateLimit: { capacity: 25, windowMs: 7000 }, jobsPerRequest: 100 }
    assert.is(refreshableUntilNextRun(keyed), Math.floor(3600 / 7) * 25 * 50)
    for (const value of makeCusips(0, 9)) await observe(sql, 'CUSIP', value, 'OLD', '2020-01-01')
    await resolve(sql, 'CUSIP', apple.key)
    assert.is(await refreshWithinBudget(sql, config), 4, 'what waits already takes up room')
    assert.is(await refreshWithinBudget(sql, config), 0)
  }))

test('has a crontab that agrees with what the refresh reckons with', async () => {
  const items = parseCrontab(await readFile(workerSettings.crontabFile, 'utf8'))
  assert.equal(items.map((item) => item.task).sort(), ['fetch_mappings', 'refresh_stale_mappings'])
  const minutesIn = (task: string) => {
    const item = items.find((one) => one.task === task)
    const start = Date.UTC(2026, 0, 5)
    const isDue = (at: Date) => {
      const digest = {
        min: at.getUTCMinutes(),
        hour: at.getUTCHours(),
        date: at.getUTCDate(),
        month: at.getUTCMonth() + 1,
        dow: at.getUTCDay(),
      }
      return item?.match(digest) ?? false
    }
    return Array.from({ length: 24 * 60 }, (_, minute) => new Date(start + minute * 60_000)).filter(isDue)
  }
  assert.is(minutesIn('fetch_mappings').length, 24 * 60)
  const refreshes = minutesIn('refresh_stale_mappings').map(Number)
  const gaps = refreshes.slice(1).map((at, place) => at - (refreshes[place] as number))
  assert.equal(new Set(gaps), new Set([refreshEveryMs]))
})

test('picks up what a dead worker left, with the job that cron adds', () =>
  staged(async (stage) => {
    const { sql } = stage
    await sql`select from public.resolve_mappings('CUSIP', ${makeCusips(0, 30)})`
    await sql`
      update figi_private.fetch_requests
      set claimed_by = 'a worker that died', claimed_until = clock_timestamp() + interval '1 second'`
    await sql`delete from graphile_worker._private_jobs`
    await sql`select graphile_worker.add_job('fetch_mappings', job_key => 'pgfigi_drain', max_attempts => 1)`
    await runJobs(stage)
    assert.equal((await sql`select from figi_private.fetch_requests`).length, 0)
    assert.equal((await sql`select from graphile_worker.jobs`).length, 0)
  }))

test.run()
