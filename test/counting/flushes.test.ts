import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import { ProcessCounting } from '../../src/counting/process_counting.ts'
import { connect, withoutApplicationName } from '../../src/database/connect.ts'
import { countsSince, gauges, sizesSince } from '../../src/database/counting.ts'
import { silentLogger } from '../../src/log.ts'
import { startWorker } from '../../src/worker/run.ts'
import { testKey } from '../support/canaries.ts'
import { counted, countedLookups } from '../support/counted.ts'
import { withDatabase } from '../support/database.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { openSession } from '../support/mappings.ts'
import { type Simulator, withSimulator } from '../support/openfigi_simulator.ts'
import { type RecordingLogger, recordingLogger } from '../support/recording_logger.ts'
import { startDatabaseProxy } from '../support/tcp_proxy.ts'
import { until } from '../support/until.ts'

const test = suite('counts on their way into the database')

const hit = { type: 'CUSIP', status: 'hit', source: 'database' } as const

async function withCounting(
  url: string,
  work: (counting: ProcessCounting, logger: RecordingLogger) => Promise<void>,
): Promise<void> {
  const sql = connect(url, { max: 2 })
  const logger = recordingLogger()
  const counting = new ProcessCounting({ kind: 'client', query: (query) => query(sql), logger })
  try {
    await work(counting, logger)
  } finally {
    await counting.close()
    await sql.end({ timeout: 1 })
  }
}

const flushes = async (sql: Sql) => sql<{ flushes: string }[]>`select flushes from figi_private.processes`

test('are counted once where the connection is lost after they were written and before anybody heard of it', () =>
  withDatabase(async ({ sql, url }) => {
    await using proxy = await startDatabaseProxy(url)
    await withCounting(proxy.urlOf(url), async (counting) => {
      counting.add('lookups', hit)
      await counting.flush()
      counting.add('lookups', hit, 10)
      proxy.disturb('toClient', { after: { bytes: 0, how: 'swallow' } })
      const flushed = counting.flush()
      await until('it is written', async () => (await flushes(sql))[0]?.flushes === '2')
      counting.add('lookups', hit, 100)
      proxy.disturb('toClient', undefined)
      proxy.cut()
      await flushed
      await counting.flush()
      assert.equal(await countedLookups(sql), { 'CUSIP hit database': 111 })
      assert.is((await flushes(sql))[0]?.flushes, '3')
    })
  }))

test('are counted once where the connection was lost before they were written', () =>
  withDatabase(async ({ sql, url }) => {
    await withCounting(url, async (counting) => {
      await using other = await openSession(url)
      await other.sql`begin`
      await other.sql`lock table figi_private.count_totals in share mode`
      counting.add('lookups', hit, 10)
      let flushed = counting.flush()
      await until('its session is ended', async () => {
        const ended = await sql`
          select pg_terminate_backend(pid)
          from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock' and application_name = 'pgfigi'`
        // Where it has waited for its longest before we looked, it waits anew.
        if (ended.length === 0) flushed = counting.flush()
        return ended.length > 0
      })
      await flushed
      await other.sql`commit`
      counting.add('lookups', hit, 100)
      await counting.flush()
      assert.equal(await countedLookups(sql), { 'CUSIP hit database': 110 })
    })
  }))

test('are put off where somebody holds their rows for long, and given up by whoever may not count', () =>
  withDatabase(async ({ sql, url }) => {
    await withCounting(url, async (counting, logger) => {
      await using other = await openSession(url)
      await other.sql`begin`
      await other.sql`lock table figi_private.count_totals in share mode`
      counting.add('lookups', hit)
      await counting.flush()
      const reasons = logger.lines.map(({ fields }) => JSON.stringify(fields))
      assert.match(reasons.join(), /^\{"reason":"[^"]*lock timeout/, 'the connection is given back')
      await other.sql`rollback`
      await counting.flush()
      assert.equal(await countedLookups(sql), { 'CUSIP hit database': 1 })
      assert.is(logger.messages('warn').length, 0)
    })
    await sql`alter function figi_private.record_counts rename to record_counts_of_later`
    await withCounting(url, async (counting, logger) => {
      for (const _ of [1, 2, 3]) {
        counting.add('lookups', hit)
        await counting.flush()
      }
      assert.equal(
        logger.lines.map(({ level, message }) => `${level}: ${message}`),
        ['debug: The database takes no counts: nothing is counted there'],
      )
    })
  }))

function workerOn(url: string, sim: Simulator) {
  const config = parseConfig({
    DATABASE_URL: url,
    OPENFIGI_API_URL: sim.url,
    OPENFIGI_API_KEY: testKey,
    OPENFIGI_RATE_LIMIT: '1000/1s',
  })
  return startWorker(config, url, silentLogger)
}

test('of a worker come with its signs of life, and with the names under which it locks jobs', () =>
  withSimulator({ latencyMs: 300 }, (sim) =>
    withDatabase(async ({ sql, url }) => {
      const worker = await workerOn(url, sim)
      await sql`select from public.resolve_mapping('CUSIP', ${makeCusip(0)})`
      await until('a job is locked', async () => {
        const [row] = await sql<{ known: boolean }[]>`
          select j.locked_by, p.worker_ids, j.locked_by = any (p.worker_ids) as known
          from graphile_worker.jobs j
          left join figi_private.processes p on p.kind = 'worker'
          where j.locked_by is not null`
        if (row) assert.ok(row.known, JSON.stringify(row))
        return row !== undefined
      })
      const seenAt = async () => {
        const [row] = await sql<{ seen_at: Date }[]>`select seen_at from figi_private.processes`
        return row?.seen_at.getTime() ?? 0
      }
      const first = await seenAt()
      await until('there is another sign of life', async () => (await seenAt()) > first)
      const [process] = await sql<{ worker_ids: string[] }[]>`select worker_ids from figi_private.processes`
      assert.is(process?.worker_ids.length, 1)
      await worker.stop()
      assert.is((await flushes(sql)).length, 0)
      const jobs = await counted(sql, 'worker_jobs', ['task', 'outcome'])
      assert.ok((jobs['fetch_mappings done'] ?? 0) >= 1, JSON.stringify(jobs))
      assert.equal(await counted(sql, 'openfigi_requests', ['code']), { 200: sim.log.length })
    }),
  ))

test('are read as numbers: since an instant, and what is just now', () =>
  withDatabase(async ({ sql, url }) => {
    await withCounting(url, async (counting) => {
      counting.add('lookups', hit, 3)
      await counting.flush()
    })
    const since = new Date(Date.now() - 3_600_000)
    const [row, ...others] = await countsSince(sql, since, 60_000)
    assert.equal({ ...row, at: null }, { at: null, counter: 'lookups', labels: hit, count: 3 })
    assert.instance(row?.at, Date)
    assert.is(others.length, 0)
    const [sizes] = await sizesSince(sql, since, 60_000)
    assert.equal(
      { ...sizes, at: null },
      { at: null, found: 0, negatives: 0, stale: 0, ended: 0, waiting: 0, gave_up: 0 },
    )
    const known = await gauges(sql)
    assert.equal(known.find(({ gauge, labels }) => gauge === 'mappings' && labels.kind === 'found')?.value, 0)
  }))

test('every session of ours says so, also where the URL has another name for it', () =>
  withDatabase(async ({ url }) => {
    const named = new URL(url)
    named.searchParams.set('application_name', 'somebody')
    const sql = connect(named.href, { applicationName: 'pgfigi tests' })
    try {
      const [row] = await sql`select current_setting('application_name') as name`
      assert.is(row?.name, 'pgfigi tests')
    } finally {
      await sql.end({ timeout: 1 })
    }
    for (const [given, left] of [
      ['postgres://a@b/c?application_name=x', 'postgres://a@b/c'],
      ['postgres://a@b/c?application_name=x&sslmode=require', 'postgres://a@b/c?sslmode=require'],
      ['postgres://a@b/c?sslmode=require&application_name=x%20y', 'postgres://a@b/c?sslmode=require'],
      ['postgres://a@b/c?sslmode=require', 'postgres://a@b/c?sslmode=require'],
    ] as const)
      assert.is(withoutApplicationName(given), left)
  }))

test.run()
