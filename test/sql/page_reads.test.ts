import type { ISql, Sql, TransactionSql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  actFetch,
  actRetry,
  actRetryAll,
  actUnlock,
  pageActions,
  pageBearers,
  pageChanges,
  pageJobs,
  pageNegatives,
  pageProcesses,
  pageRequestOf,
  pageRequests,
  pageRuns,
} from '../../src/database/operations.ts'
import { withRollback } from '../support/database.ts'
import { answer, seeProcess } from '../support/health_causes.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { failureOf, observe, requestsFor, resolve } from '../support/mappings.ts'

const test = suite('what the page reads and does')

const me = { who: 'alice', address: '127.0.0.1' }
const cusip = (n: number) => ({ type: 'CUSIP', value: makeCusip(n) }) as const

/** A transaction, for functions that take a pool. */
const read = <T>(work: (sql: Sql) => Promise<T>) =>
  withRollback((transaction) => work(transaction as unknown as Sql))

/** Has one CUSIP answered with an error until its request gives up. */
async function giveUp(sql: ISql, n: number): Promise<void> {
  await resolve(sql, 'CUSIP', makeCusip(n))
  for (let time = 0; time < 4; time++)
    await answer(sql, makeCusip(n), { outcome: 'error', message: `bad ${n}` })
}

test('requests: the most urgent first, each with its state; what gave up, the latest first', () =>
  read(async (sql) => {
    await sql`select warm_mappings('CUSIP', ${[makeCusip(4)]})`
    for (const n of [1, 2, 3]) await resolve(sql, 'CUSIP', makeCusip(n))
    await sql`update figi_private.fetch_requests set unfiltered = true where identifier_value = ${makeCusip(1)}`
    await sql`
      update figi_private.fetch_requests set claimed_by = 'me', claimed_until = clock_timestamp() + interval '1 minute'
      where identifier_value = ${makeCusip(2)}`
    await answer(sql, makeCusip(3), { outcome: 'error', message: 'once' })
    const rows = await pageRequests(sql, 'waiting', 100)
    assert.equal(
      rows.map((row) => [row.identifier_value, row.priority, row.state, row.attempts, row.last_error]),
      [
        [makeCusip(1), 'lookup', 'waiting', 0, null],
        [makeCusip(2), 'lookup', 'fetching', 0, null],
        [makeCusip(3), 'lookup', 'waiting', 1, 'once'],
        [makeCusip(4), 'warming', 'waiting', 0, null],
      ],
    )
    assert.is(rows[0]?.not_before, null)
    assert.ok((rows[2]?.not_before?.getTime() ?? 0) > (rows[2]?.requested_at.getTime() ?? 0))
    assert.is((await pageRequests(sql, 'waiting', 2)).length, 2)
    assert.is((await pageRequests(sql, 'gave_up', 10)).length, 0)
    await giveUp(sql, 5)
    await giveUp(sql, 6)
    const gaveUp = await pageRequests(sql, 'gave_up', 10)
    assert.equal(
      gaveUp.map((row) => [row.identifier_value, row.state, row.last_error]),
      [
        [makeCusip(6), 'gave up', 'bad 6'],
        [makeCusip(5), 'gave up', 'bad 5'],
      ],
    )
    assert.is((await pageRequestOf(sql, 'CUSIP', makeCusip(2)))?.state, 'fetching')
    assert.is((await pageRequestOf(sql, 'CUSIP', makeCusip(5)))?.state, 'gave up')
    assert.is(await pageRequestOf(sql, 'CUSIP', makeCusip(7)), null)
    await sql`
      insert into figi_private.fetch_requests (identifier_type, identifier_value) values ('CUSIP', ${makeCusip(5)})`
    assert.is((await pageRequestOf(sql, 'CUSIP', makeCusip(5)))?.state, 'waiting')
  }))

test('negatives: the latest first, and when each goes stale, whatever the setting says', () =>
  read(async (sql) => {
    await observe(sql, 'CUSIP', makeCusip(1), null, '2026-01-01Z')
    await observe(sql, 'CUSIP', makeCusip(2), null, '2026-01-03Z')
    await observe(sql, 'CUSIP', makeCusip(3), 'T', '2026-01-02Z')
    await observe(sql, 'CUSIP', makeCusip(4), null, '2026-01-02Z')
    await observe(sql, 'CUSIP', makeCusip(4), 'T', '2026-01-04Z')
    const negatives = async (setting = '') => {
      await sql`select set_config('pgfigi.cache_max_age', ${setting}, true)`
      return (await pageNegatives(sql, 10)).map((row) => [
        row.identifier_value,
        row.stale_at.toISOString().slice(0, 10),
      ])
    }
    assert.equal(await negatives(), [
      [makeCusip(2), '2026-03-04'],
      [makeCusip(1), '2026-03-02'],
    ])
    assert.equal((await negatives('10 days'))[0], [makeCusip(2), '2026-01-13'])
    assert.equal((await negatives('a while'))[0], [makeCusip(2), '2026-03-04'])
    assert.match((await negatives('170000000 years'))[0]?.[1] ?? '', /^9000-/)
    assert.match((await negatives('-1 day'))[0]?.[1] ?? '', '2026-01-02')
  }))

test('bearers of a ticker, in whichever spelling it is asked for and was stored', () =>
  read(async (sql) => {
    const stored = ['BRK/B', 'BRK.B', 'BRK-B', 'BRKB', 'BRK B']
    for (const [n, ticker] of stored.entries()) await observe(sql, 'CUSIP', makeCusip(n), ticker)
    await observe(sql, 'CUSIP', makeCusip(10), 'BRK/A')
    await observe(sql, 'CUSIP', makeCusip(11), 'T 3 3/4 02/28/33')
    for (const asked of [...stored, ' brk/b ', 'brkb']) {
      const rows = await pageBearers(sql, asked, 10)
      assert.equal(rows.map(({ ticker }) => ticker).toSorted(), stored.toSorted(), asked)
      assert.is(rows[0]?.ticker, asked.trim().toUpperCase())
    }
    assert.is((await pageBearers(sql, 'T 3 3/4 02/28/33', 10)).length, 1)
    for (const asked of ['BRK', '', "'", 'x'.repeat(10_000)])
      assert.is((await pageBearers(sql, asked, 10)).length, 0)
    await observe(sql, 'CUSIP', makeCusip(12), 'OLD', '2020-01-01Z')
    await observe(sql, 'CUSIP', makeCusip(12), 'NEW', '2021-01-01Z')
    await observe(sql, 'CUSIP', makeCusip(13), 'OLD', '2022-01-01Z')
    assert.equal(
      (await pageBearers(sql, 'OLD', 10)).map((row) => [row.identifier_value, row.end_date === null]),
      [
        [makeCusip(13), true],
        [makeCusip(12), false],
      ],
    )
  }))

test('changes: as mapping_changes tells them, those recorded last first', () =>
  read(async (sql) => {
    await observe(sql, 'CUSIP', makeCusip(1), 'A', '2020-01-01Z')
    await observe(sql, 'CUSIP', makeCusip(1), 'B', '2021-01-01Z')
    await observe(sql, 'CUSIP', makeCusip(2), null, '2021-01-01Z')
    await observe(sql, 'CUSIP', makeCusip(1), null, '2022-01-01Z')
    await observe(sql, 'CUSIP', makeCusip(1), 'C', '2023-01-01Z')
    const rows = await pageChanges(sql, 10)
    assert.equal(
      rows.map((row) => [row.kind, row.from_ticker, row.to_ticker, row.changed_at.getUTCFullYear()]),
      [
        ['revived', 'B', 'C', 2023],
        ['retired', 'B', null, 2022],
        ['renamed', 'A', 'B', 2021],
        ['first_seen', null, 'A', 2020],
      ],
    )
    assert.is((await pageChanges(sql, 2)).length, 2)
  }))

test('jobs by their state, those first that want somebody to look; only those of our tasks', () =>
  read(async (sql) => {
    await sql`delete from graphile_worker._private_jobs`
    await seeProcess(sql, { process: 'w', kind: 'worker', worker_ids: ['worker-alive'] })
    await sql`
      select
        graphile_worker.add_job('fetch_mappings', job_key => 'ready'),
        graphile_worker.add_job('fetch_mappings', job_key => 'later', run_at => now() + interval '1 hour'),
        graphile_worker.add_job('fetch_mappings', job_key => 'running'),
        graphile_worker.add_job('fetch_mappings', job_key => 'just locked'),
        graphile_worker.add_job('refresh_stale_mappings', job_key => 'dead'),
        graphile_worker.add_job('their_task', job_key => 'theirs'),
        graphile_worker.permanently_fail_jobs(array[(graphile_worker.add_job('fetch_mappings', job_key => 'failed')).id], 'no luck')`
    const lock = (key: string, by: string, ago: string) => sql`
      update graphile_worker._private_jobs
      set locked_by = ${by}, locked_at = clock_timestamp() - ${ago}::text::interval
      where key = ${key}`
    await lock('running', 'worker-alive', '1 hour')
    await lock('just locked', 'worker-gone', '10 seconds')
    await lock('dead', 'worker-gone', '2 minutes')
    await lock('theirs', 'worker-of-others', '2 hours')
    const rows = await pageJobs(sql, 100)
    assert.equal(
      rows.map(({ task, state, last_error }) => [task, state, last_error]),
      [
        ['refresh_stale_mappings', 'dead worker', null],
        ['fetch_mappings', 'failed', 'no luck'],
        ['fetch_mappings', 'running', null],
        ['fetch_mappings', 'running', null],
        ['fetch_mappings', 'ready', null],
        ['fetch_mappings', 'later', null],
      ],
    )
    assert.equal([rows[1]?.attempts, rows[1]?.max_attempts], [25, 25])
    assert.match(await actUnlock(sql, me), /^1 job of a dead worker is unlocked\./)
    const left =
      await sql`select key, locked_by from graphile_worker.jobs where locked_by is not null order by key`
    assert.equal(
      left.map(({ key, locked_by }) => [key, locked_by]),
      [
        ['running', 'worker-alive'],
        ['theirs', 'worker-of-others'],
      ],
      'a dead worker’s jobs go together',
    )
    assert.is(await actUnlock(sql, me), 'No job is held by a dead worker.')
    await sql`drop schema graphile_worker cascade`
    assert.is((await pageJobs(sql, 100)).length, 0)
    assert.is(await actUnlock(sql, me), 'No job is held by a dead worker.')
  }))

test('a job of a dead worker without an attempt left is done with, and does not stay as failed', () =>
  read(async (sql) => {
    await sql`select graphile_worker.add_job('fetch_mappings', job_key => 'last try', max_attempts => 1)`
    await sql`
      update graphile_worker._private_jobs
      set attempts = 1, locked_by = 'worker-gone', locked_at = clock_timestamp() - interval '5 minutes'
      where key = 'last try'`
    assert.match(await actUnlock(sql, me), /^1 job/)
    assert.equal(
      (await pageJobs(sql, 100)).filter(({ state }) => state !== 'ready'),
      [],
    )
  }))

test('processes, workers first, and when each task ran last', () =>
  read(async (sql) => {
    for (const [process, kind] of [
      ['c', 'client'],
      ['w', 'worker'],
      ['d', 'command'],
    ] as const)
      await seeProcess(sql, { process, kind })
    assert.equal(
      (await pageProcesses(sql)).map(({ kind, host, pid }) => [kind, host, pid]),
      ['worker', 'command', 'client'].map((kind) => [kind, 'host-1', 4711]),
    )
    await sql`
      select figi_private.add_counts('[{"counter": "worker_jobs", "labels": {"task": "fetch_mappings", "outcome": "done"}, "count": 1}]')`
    const [run, ...others] = await pageRuns(sql)
    assert.equal([run?.task, others], ['fetch_mappings', []])
    assert.ok(Math.abs(Date.now() - (run?.last_run_at.getTime() ?? 0)) < 60_000)
  }))

test('fetch asks for an identifier though its answer is fresh, and at once for what has just given up', () =>
  read(async (sql) => {
    await observe(sql, 'CUSIP', makeCusip(1), 'T')
    assert.is(
      await actFetch(sql, me, cusip(1)),
      `CUSIP ${makeCusip(1)} is fetched again. No worker runs: start one with pgfigi worker.`,
    )
    await seeProcess(sql, { process: 'w', kind: 'worker' })
    assert.is(await actFetch(sql, me, cusip(1)), `CUSIP ${makeCusip(1)} is fetched again.`)
    assert.is(await requestsFor(sql, 'CUSIP', makeCusip(1)), 1)
    const claimed = await sql`select * from figi_private.claim_requests('me', 10, 10, '1 minute')`
    assert.is(claimed.length, 1, 'it is not dropped for being fresh')
    await giveUp(sql, 2)
    await actFetch(sql, me, cusip(2))
    assert.is((await pageRequestOf(sql, 'CUSIP', makeCusip(2)))?.state, 'waiting')
  }))

test('retry makes what gave up wait again, and a job with it', () =>
  read(async (sql) => {
    for (const n of [1, 2, 3]) await giveUp(sql, n)
    await sql`delete from graphile_worker._private_jobs`
    await sql`select set_config('pgfigi.fetch_job_added', '', true)`
    assert.match(await actRetry(sql, me, cusip(1)), `CUSIP ${makeCusip(1)} waits again.`)
    const request = await pageRequestOf(sql, 'CUSIP', makeCusip(1))
    assert.equal([request?.state, request?.attempts, request?.gave_up_at], ['waiting', 0, null])
    assert.is(
      (await sql`select from graphile_worker.jobs where task_identifier = 'fetch_mappings'`).length,
      1,
    )
    assert.is(await actRetry(sql, me, cusip(1)), `No request for CUSIP ${makeCusip(1)} has given up.`)
    assert.match(await actRetryAll(sql, me), /^2 requests wait again\./)
    assert.is((await pageRequests(sql, 'gave_up', 10)).length, 0)
    assert.is((await pageRequests(sql, 'waiting', 10)).length, 3)
    assert.is(await actRetryAll(sql, me), 'No request has given up.')
  }))

test('retry of a negative of which nothing gave up has it fetched again, first of all', () =>
  read(async (sql) => {
    await seeProcess(sql, { process: 'w', kind: 'worker' })
    await observe(sql, 'CUSIP', makeCusip(1), null)
    await observe(sql, 'CUSIP', makeCusip(2), 'T')
    await observe(sql, 'CUSIP', makeCusip(3), null, '2020-01-01')
    await observe(sql, 'CUSIP', makeCusip(3), 'FOUND')
    const told = `CUSIP ${makeCusip(1)} is fetched again.`
    assert.is(await actRetry(sql, me, cusip(1)), told)
    assert.is(await actRetry(sql, me, cusip(1)), told)
    const { priority, state } = (await pageRequestOf(sql, 'CUSIP', makeCusip(1))) ?? {}
    assert.equal([priority, state], ['lookup', 'waiting'])
    assert.is(await requestsFor(sql, 'CUSIP', makeCusip(1)), 1)
    const claimed = await sql`select * from figi_private.claim_requests('me', 10, 10, '1 minute')`
    assert.is(claimed.length, 1, 'it is not dropped for being fresh')
    const [noted] = await pageActions(sql, 10)
    assert.equal(
      [noted?.who, noted?.action, noted?.subject, noted?.outcome],
      ['alice', 'retry', `CUSIP ${makeCusip(1)}`, told],
    )
    for (const n of [2, 3, 4]) {
      assert.is(await actRetry(sql, me, cusip(n)), `No request for CUSIP ${makeCusip(n)} has given up.`)
      assert.is(await requestsFor(sql, 'CUSIP', makeCusip(n)), 0)
    }
    await giveUp(sql, 1)
    assert.is(await actRetry(sql, me, cusip(1)), `CUSIP ${makeCusip(1)} waits again.`)
  }))

test('every action is noted in its own transaction; what is no identifier does nothing', () =>
  read(async (sql) => {
    await actFetch(sql, { who: 'w'.repeat(1000), address: '::1' }, { type: 'CUSIP', value: '37833100' })
    await actRetryAll(sql, me)
    const refused = (sql as unknown as TransactionSql).savepoint((s) =>
      actRetry(s as unknown as Sql, me, { type: 'CUSIP', value: 'nonsense' }),
    )
    assert.is((await failureOf(refused))?.code, 'PF001')
    const [last, first, ...others] = await pageActions(sql, 10)
    assert.equal(
      [last?.who, last?.address, last?.action, last?.subject, last?.outcome],
      ['alice', '127.0.0.1', 'retry_all', '', 'No request has given up.'],
    )
    assert.equal([first?.action, first?.subject, first?.who.length], ['fetch', 'CUSIP 037833100', 200])
    assert.equal(others, [])
  }))

test('at most 500 rows, found by indexes however many there are', () =>
  read(async (sql) => {
    await sql`alter table security_mappings disable trigger user`
    await sql`
      insert into security_mappings (identifier_type, identifier_value, ticker, has_no_results, start_date, last_fetched_date)
      select 'CUSIP', lpad(n::text, 9, '0'), case when n % 2 = 0 then 'T' || n % 20 end, n % 2 = 1, now() - interval '1 year', now()
      from generate_series(1, 20000) n`
    await sql`
      insert into figi_private.fetch_requests (identifier_type, identifier_value, gave_up_at)
      select 'CUSIP', lpad(n::text, 9, '0'), case when n % 2 = 1 then now() end from generate_series(1, 20000) n`
    await sql`analyze security_mappings, figi_private.fetch_requests`
    const scans = async () => {
      const [row] = await sql<{ rows: number }[]>`
        select sum(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid))::int as rows
        from pg_class where relname in ('security_mappings', 'fetch_requests')`
      return row?.rows ?? 0
    }
    const reads: (() => Promise<unknown[]>)[] = [
      () => pageRequests(sql, 'waiting', 9_999),
      () => pageRequests(sql, 'gave_up', 9_999),
      () => pageNegatives(sql, 9_999),
      () => pageBearers(sql, 'T8', 9_999),
      () => pageChanges(sql, 9_999),
    ]
    for (const read of reads) {
      const before = await scans()
      assert.is((await read()).length, 500, String(read))
      const looked = (await scans()) - before
      assert.ok(looked < 15_000, `${read} looked at ${looked} rows`)
      assert.is((await sql`select * from figi_private.page_negatives(-1)`).length, 0)
    }
    assert.is((await sql`select * from figi_private.page_negatives(null)`).length, 100)
  }))

test.run()
