import type { ISql, TransactionSql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withDatabase, withRollback } from '../support/database.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { latestMigration } from '../support/latest_migration.ts'
import { failureOf, observe, openSession, resolve } from '../support/mappings.ts'

const test = suite('counting')

type Sql = ISql

interface Count {
  readonly counter: string
  readonly labels?: Record<string, string>
  readonly count: number
}

const add = (sql: Sql, counts: unknown) =>
  sql`select figi_private.add_counts(${JSON.stringify(counts)}::text::jsonb)`

/** The totals, each as `counter label=value ...: how often`. */
async function totals(sql: Sql): Promise<string[]> {
  const rows = await sql<{ line: string }[]>`
    select concat_ws(' ', t.counter, (select string_agg(l.key || '=' || l.value, ' ' order by l.key) from jsonb_each_text(t.labels) l))
      || ': ' || t.total as line
    from figi_private.counter_totals() t`
  return rows.map(({ line }) => line)
}

const lookups = (status: string, count: number, type = 'CUSIP'): Count => ({
  counter: 'lookups',
  labels: { type, status, source: 'database' },
  count,
})

async function record(sql: Sql, process: string, flush: number, counts: readonly Count[], kind = 'worker') {
  const described = {
    process,
    kind,
    host: 'h',
    pid: 1,
    version: '1.0.0',
    latest_migration: latestMigration,
    worker_ids: ['w'],
  }
  const [row] = await sql<[{ written: boolean }]>`
    select figi_private.record_counts(${JSON.stringify(described)}::text::jsonb, ${flush}, ${JSON.stringify(counts)}::text::jsonb) as written`
  return row.written
}

const answer = (sql: Sql, answers: readonly object[]) =>
  sql`select figi_private.record_answers(${JSON.stringify(answers)}::text::jsonb)`

const listing = (n: number, ticker: string) => ({
  identifier_type: 'CUSIP',
  identifier_value: makeCusip(n),
  outcome: 'listing',
  ticker,
})

const none = (n: number) => ({ identifier_type: 'CUSIP', identifier_value: makeCusip(n), outcome: 'none' })

const gauges = async (sql: Sql) => {
  const rows = await sql<{ name: string; value: number }[]>`
    select concat_ws(' ', g.gauge, (select string_agg(l.value, ' ') from jsonb_each_text(g.labels) l)) as name, g.value
    from figi_private.gauges() g`
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]))
}

test('what is added is in the minute and in the totals, what stands twice added up, and nothing for zero', () =>
  withRollback(async (sql) => {
    await add(sql, [lookups('hit', 3), lookups('miss', 1), lookups('hit', 4), lookups('stale', 0)])
    await add(sql, [lookups('hit', 10), { counter: 'budget_waits', count: 2 }])
    await add(sql, [])
    assert.equal(await totals(sql), [
      'budget_waits: 2',
      'lookups source=database status=hit type=CUSIP: 17',
      'lookups source=database status=miss type=CUSIP: 1',
    ])
    const minutes = await sql`
      select counter, labels ->> 'status' as status, sum(count)::int as count, min(at) = date_bin('1 hour', min(at), 'epoch') as whole
      from figi_private.counts_since(clock_timestamp() - interval '10 minutes', '1 hour')
      group by 1, 2 order by 1, 2`
    assert.equal(
      minutes.map((row) => [row.counter, row.status, row.count, row.whole]),
      [
        ['budget_waits', null, 2, true],
        ['lookups', 'hit', 17, true],
        ['lookups', 'miss', 1, true],
      ],
    )
  }))

test('nonsense is refused whole', () =>
  withRollback(async (sql) => {
    for (const counts of [
      {},
      'lookups',
      null,
      [1],
      [lookups('hit', -1)],
      [lookups('hit', 1.5)],
      [lookups('hit', 1e15)],
      [{ labels: {}, count: 1 }],
      [{ counter: 'Robert"); drop table', count: 1 }],
      [{ counter: 'lookups', count: '1' }],
      [{ counter: 'lookups' }],
      [{ counter: 'lookups', labels: [], count: 1 }],
      [{ counter: 'lookups', labels: { type: 1 }, count: 1 }],
      [{ counter: 'lookups', labels: { type: { of: 'x' } }, count: 1 }],
      [{ counter: 'lookups', labels: { type: 'x'.repeat(101) }, count: 1 }],
      [{ counter: 'lookups', labels: { a: '', b: '', c: '', d: '', e: '', f: '' }, count: 1 }],
      [lookups('hit', 1), lookups('hit', -1)],
      Array.from({ length: 1001 }, (_, n) => lookups(`s${n}`, 1)),
    ]) {
      const failure = await failureOf(sql.savepoint((s) => add(s, counts)))
      assert.is(failure?.code, 'PF002', JSON.stringify(counts)?.slice(0, 80))
    }
    assert.equal(await totals(sql), [])
  }))

test('many at once, in any order, neither deadlock nor lose a count', () =>
  withDatabase(async ({ sql, url }) => {
    const kinds = Array.from({ length: 12 }, (_, n) => `k${n}`)
    const counter = async () => {
      await using session = await openSession(url)
      for (let n = 0; n < 25; n++) {
        const shuffled = kinds.toSorted(() => Math.random() - 0.5)
        await add(
          session.sql,
          shuffled.map((kind) => lookups(kind, 1)),
        )
      }
    }
    await Promise.all([counter(), counter(), counter(), counter()])
    const [row] = await sql`
      select count(*)::int as kinds, min(total)::int as least, max(total)::int as most, (select sum(count)::int from figi_private.minute_counts) as in_minutes
      from figi_private.count_totals`
    assert.equal({ ...row }, { kinds: 12, least: 100, most: 100, in_minutes: 1200 })
  }))

test('a flush that is tried again is not counted twice, and each is a sign of life', () =>
  withRollback(async (sql) => {
    assert.is(await record(sql, 'a', 1, [lookups('hit', 5)]), true)
    assert.is(await record(sql, 'a', 1, [lookups('hit', 5)]), false)
    assert.is(await record(sql, 'a', 2, [lookups('hit', 7)]), true)
    assert.is(await record(sql, 'a', 1, [lookups('hit', 5)]), false)
    assert.is(await record(sql, 'b', 1, [], 'client'), true)
    assert.equal(await totals(sql), ['lookups source=database status=hit type=CUSIP: 12'])
    await sql`update figi_private.processes set seen_at = seen_at - interval '1 hour'`
    await record(sql, 'a', 2, [])
    const processes = await sql`
      select process, kind, flushes::int, worker_ids, latest_migration, seen_at > clock_timestamp() - interval '1 minute' as lives
      from figi_private.processes order by process`
    const described = { worker_ids: ['w'], latest_migration: latestMigration }
    assert.equal(
      processes.map((row) => ({ ...row })),
      [
        { process: 'a', kind: 'worker', flushes: 2, lives: true, ...described },
        { process: 'b', kind: 'client', flushes: 1, lives: false, ...described },
      ],
    )
    await sql`select figi_private.process_ended('a')`
    assert.is((await sql`select from figi_private.processes`).length, 1)
    assert.is((await totals(sql)).length, 1, 'its counts stay')
    assert.is(
      (await failureOf(sql.savepoint((s) => record(s, 'c', 1, [{ counter: 'X', count: 1 }]))))?.code,
      'PF002',
    )
    assert.is((await sql`select from figi_private.processes where process = 'c'`).length, 0)
  }))

/** Has it done within one minute of the clock: where the next has begun meanwhile, it is undone, and done once more. */
async function inOneMinute(sql: TransactionSql, work: (sql: TransactionSql) => Promise<void>): Promise<void> {
  const minute = async () =>
    (await sql<[{ minute: string }]>`select date_trunc('minute', clock_timestamp())::text as minute`)[0]
      .minute
  const tooLate = new Error('the next minute has begun')
  for (;;) {
    const began = await minute()
    try {
      return await sql.savepoint(async (s) => {
        await work(s)
        if ((await minute()) !== began) throw tooLate
      })
    } catch (error) {
      if (error !== tooLate) throw error
    }
  }
}

test('the house is kept once a minute, and what is old is forgotten', () =>
  withRollback(async (sql) => {
    await observe(sql, 'CUSIP', makeCusip(1), 'T', '2020-01-01')
    await observe(sql, 'CUSIP', makeCusip(1), 'U')
    await resolve(sql, 'CUSIP', makeCusip(2))
    await record(sql, 'gone', 1, [lookups('hit', 1)])
    await sql`update figi_private.processes set seen_at = now() - interval '25 hours'`
    await sql`update figi_private.minute_counts set minute = minute - interval '9 days'`
    await sql`update figi_private.size_samples set minute = minute - interval '7 days'`
    await sql`
      insert into figi_private.minute_counts (counter, minute, count) values ('recent', now() - interval '7 days', 1)`
    await inOneMinute(sql, async (s) => {
      await s`select figi_private.keep_house()`
      await s`select figi_private.keep_house()`
    })
    const left = await sql`select counter from figi_private.minute_counts`
    assert.equal(
      left.map((row) => row.counter),
      ['recent'],
    )
    assert.is((await sql`select from figi_private.processes`).length, 0)
    assert.is((await totals(sql)).length, 1, 'totals never fall')
    const samples = await sql`
      select found::int, negatives::int, stale::int, ended::int, waiting::int, gave_up::int
      from figi_private.sizes_since(now() - interval '8 days', '1 day')`
    const sample = { found: 1, negatives: 0, stale: 0, ended: 1, waiting: 1, gave_up: 0 }
    assert.equal(
      samples.map((row) => ({ ...row })),
      [sample, sample],
    )

    await sql`update figi_private.size_samples set minute = minute - interval '5 minutes'`
    await sql`set local pgfigi.keep_counts to '1 hour'`
    await sql`select figi_private.keep_house()`
    assert.is((await sql`select from figi_private.minute_counts`).length, 0)
    assert.is((await sql`select from figi_private.size_samples`).length, 2)
    await sql`update figi_private.size_samples set minute = minute - interval '5 minutes'`
    await sql`set local pgfigi.keep_counts to 'for ever'`
    await sql`select figi_private.keep_house()`
    assert.is(
      (await sql`select from figi_private.size_samples`).length,
      3,
      'a setting that is none is as if it were not set',
    )
  }))

test('no setting, and nothing else that is wrong with the house, takes a sign of life or a count away', () =>
  withRollback(async (sql) => {
    await record(sql, 'w', 1, [lookups('hit', 1)])
    let flush = 1
    const flushed = async (name: string, value: string) => {
      await sql`delete from figi_private.size_samples`
      await sql`update figi_private.processes set seen_at = now() - interval '1 hour'`
      await sql`insert into figi_private.minute_counts (counter, minute, count) values ('old', now() - interval '9 days', 1)`
      await sql`select set_config(${name}, ${value}, true)`
      assert.is(await record(sql, 'w', ++flush, [lookups('hit', 1)]), true, `${name} = ${value}`)
      await sql`select set_config(${name}, '', true)`
      const [row] = await sql`
        select
          (select seen_at > now() - interval '1 minute' from figi_private.processes) as lives,
          (select count(*)::int from figi_private.size_samples) as samples,
          (select sum(count)::int from figi_private.minute_counts where counter = 'lookups') as lookups,
          (select count(*)::int from figi_private.minute_counts where counter = 'old') as old`
      await sql`delete from figi_private.minute_counts where counter = 'old'`
      assert.equal([row?.lives, row?.lookups], [true, flush], `${name} = ${value}`)
      return [row?.samples, row?.old]
    }
    assert.equal(await flushed('pgfigi.keep_counts', '10000 years'), [1, 1])
    assert.equal(await flushed('pgfigi.keep_counts', '99999999999999999999 days'), [1, 0])
    assert.equal(await flushed('pgfigi.keep_counts', '0'), [1, 0])
    assert.equal(await flushed('pgfigi.keep_counts', '-1 day'), [1, 0])
    assert.equal(await flushed('pgfigi.cache_max_age', 'garbage'), [0, 0], 'what is stale nobody knows')
    assert.equal(await flushed('pgfigi.cache_max_age', '99999999999999999999 days'), [0, 0])
    await sql`alter table figi_private.size_samples rename column waiting to other`
    assert.equal(await flushed('pgfigi.keep_counts', ''), [0, 1])
  }))

test('keeping house waits for nobody', () =>
  withDatabase(async ({ sql, url }) => {
    await observe(sql, 'CUSIP', makeCusip(1), 'T')
    await record(sql, 'old', 1, [lookups('hit', 1)])
    await sql`delete from figi_private.size_samples`
    await sql`update figi_private.processes set seen_at = now() - interval '2 days'`
    await sql`update figi_private.minute_counts set minute = minute - interval '20 days'`
    await using holder = await openSession(url)
    await using keeper = await openSession(url)
    await keeper.sql`set statement_timeout to '30s'`
    await holder.sql`begin`
    await holder.sql`select from figi_private.mapping_counts for update`
    await holder.sql`select from figi_private.minute_counts for update`
    await holder.sql`select from figi_private.processes for update`
    await keeper.sql`select figi_private.keep_house()`
    assert.is((await sql`select from figi_private.size_samples`).length, 1)
    assert.is((await sql`select from figi_private.minute_counts`).length, 1)
    await holder.sql`rollback`

    await sql`delete from figi_private.size_samples`
    await holder.sql`begin`
    await holder.sql`select figi_private.keep_house()`
    await keeper.sql`select figi_private.keep_house()`
    assert.is((await sql`select from figi_private.size_samples`).length, 0, 'whoever comes second goes on')
    await holder.sql`commit`
    assert.is((await sql`select from figi_private.size_samples`).length, 1)
    assert.is((await sql`select from figi_private.minute_counts`).length, 0)
  }))

test('each request is counted when it ends, by its priority and by who asked', () =>
  withRollback(async (sql) => {
    for (const n of [1, 2, 3, 4]) await resolve(sql, 'CUSIP', makeCusip(n))
    await resolve(sql, 'CUSIP', makeCusip(1))
    await sql`set local application_name to 'pgfigi worker'`
    await sql`select public.warm_mappings('CUSIP', ${[5, 6].map(makeCusip)})`
    await resolve(sql, 'CUSIP', makeCusip(7))
    await answer(sql, [
      listing(1, 'A'),
      none(2),
      { ...none(3), outcome: 'unfiltered' },
      { ...none(4), outcome: 'error', message: 'm' },
      listing(5, 'E'),
      listing(7, 'G'),
    ])
    const requests = async () => (await totals(sql)).filter((line) => line.startsWith('fetch_requests'))
    const ended = [
      'fetch_requests asked_by=sql priority=lookup: 2',
      'fetch_requests asked_by=pgfigi priority=lookup: 1',
      'fetch_requests asked_by=pgfigi priority=warming: 1',
    ].toSorted()
    assert.equal((await requests()).toSorted(), ended, 'what goes on has not ended')

    await observe(sql, 'CUSIP', makeCusip(4), 'D')
    await sql`update figi_private.fetch_requests set not_before = clock_timestamp()`
    await sql`select from figi_private.claim_requests('me', 100, 100, '1 minute')`
    assert.ok(
      (await requests()).includes('fetch_requests asked_by=sql priority=lookup: 3'),
      'what was fetched by another way ends when it is claimed',
    )

    await resolve(sql, 'CUSIP', makeCusip(8))
    await sql`
      insert into figi_private.fetch_requests (identifier_type, identifier_value, priority) values ('CUSIP', ${makeCusip(8)}, 1)`
    for (let time = 0; time < 4; time++) await answer(sql, [{ ...none(8), outcome: 'error', message: 'm' }])
    assert.ok(
      (await requests()).includes('fetch_requests asked_by=pgfigi priority=lookup: 2'),
      'one of the two that gave up',
    )
    assert.is((await gauges(sql)).gave_up_requests, 1)
  }))

test('the changes that answers bring are those of mapping_changes', () =>
  withRollback(async (sql) => {
    await observe(sql, 'CUSIP', makeCusip(2), 'OLD', '2020-01-01')
    await observe(sql, 'CUSIP', makeCusip(3), 'GONE', '2020-01-01')
    await observe(sql, 'CUSIP', makeCusip(4), 'BACK', '2020-01-01')
    await observe(sql, 'CUSIP', makeCusip(4), null, '2021-01-01')
    await observe(sql, 'CUSIP', makeCusip(5), 'BRKB', '2020-01-01')
    await observe(sql, 'CUSIP', makeCusip(6), 'SAME', '2020-01-01')
    await sql`
      select from figi_private.record_sightings(
        '{CUSIP}', ${[makeCusip(7)]}, '{SEEN}', '{2024-01-01}', '{null}', '{null}', '{null}', 'import'
      )`
    const [before] = await sql`select clock_timestamp()::text as now`
    await answer(sql, [
      listing(1, 'NEW'),
      listing(2, 'RENAMED'),
      none(3),
      listing(4, 'BACK'),
      listing(5, 'BRK/B'),
      listing(6, 'SAME'),
      listing(7, 'SEEN'),
      none(8),
      listing(9, 'NEWER'),
    ])
    const changes = await sql<{ line: string }[]>`
      select 'ticker_changes kind=' || kind || ': ' || count(*) as line
      from public.mapping_changes(${String(before?.now)}::text::timestamptz)
      group by kind order by 1`
    const counted = (await totals(sql)).filter((line) => line.startsWith('ticker_changes')).toSorted()
    assert.equal(
      counted,
      changes.map(({ line }) => line),
    )
    assert.equal(
      counted,
      ['first_seen: 2', 'renamed: 1', 'retired: 1', 'revived: 1'].map(
        (line) => `ticker_changes kind=${line}`,
      ),
    )
    await answer(sql, [listing(1, 'NEW'), none(3)])
    assert.equal((await totals(sql)).filter((line) => line.startsWith('ticker_changes')).toSorted(), counted)
  }))

test('cache_stats tells the hit rates and the share of the limit in use', () =>
  withRollback(async (sql) => {
    const stats = async () => {
      const [row] =
        await sql`select hit_rate_1h::float8, hit_rate_24h::float8, budget_used::float8 from public.cache_stats()`
      return { ...row }
    }
    assert.equal(await stats(), { hit_rate_1h: null, hit_rate_24h: null, budget_used: null })
    await add(sql, [lookups('invalid', 5)])
    assert.is((await stats()).hit_rate_1h, null, 'what is no identifier is no lookup')
    await add(sql, [lookups('miss', 1)])
    assert.equal(await stats(), { hit_rate_1h: 0, hit_rate_24h: 0, budget_used: null }, 'misses alone')
    await add(sql, [
      lookups('hit', 6),
      lookups('stale', 10),
      lookups('miss', 2),
      lookups('negative', 1, 'ISIN'),
    ])
    await sql`
      insert into figi_private.minute_counts (counter, labels, minute, count)
      values
        ('lookups', '{"status": "hit"}', now() - interval '2 hours', 20),
        ('lookups', '{"status": "miss"}', now() - interval '25 hours', 1000)`
    for (let slot = 0; slot < 3; slot++) await sql`select figi_private.reserve_api_slot('a', 4, '1 hour')`
    await sql`select figi_private.reserve_api_slot('b', 25, '1 hour')`
    assert.equal(await stats(), { hit_rate_1h: 0.35, hit_rate_24h: 0.675, budget_used: 0.75 })
    for (let slot = 0; slot < 3; slot++) await sql`select figi_private.reserve_api_slot('a', 4, '1 hour')`
    assert.is((await stats()).budget_used, 1)
    await sql`update figi_private.api_budgets set sent_at = array(select s - interval '2 hours' from unnest(sent_at) s)`
    assert.is((await stats()).budget_used, 0)
  }))

test('the gauges tell what there is, and leave out what nobody knows', () =>
  withRollback(async (sql) => {
    const nothing = {
      'mappings found': 0,
      'mappings negative': 0,
      stale_mappings: 0,
      ended_periods: 0,
      'pending_requests lookup': 0,
      'pending_requests warming': 0,
      'pending_requests refresh': 0,
      gave_up_requests: 0,
      oldest_request_age_seconds: 0,
      budget_blocked_seconds: 0,
      backlog_seconds: 0,
    }
    assert.equal(await gauges(sql), nothing)
    await observe(sql, 'CUSIP', makeCusip(1), 'OLD', '2020-01-01')
    await sql`select public.warm_mappings('CUSIP', ${Array.from({ length: 600 }, (_, n) => makeCusip(n + 10))})`
    await resolve(sql, 'CUSIP', makeCusip(1))
    await sql`update figi_private.fetch_requests set requested_at = now() - interval '100 seconds' where priority = 1`
    assert.is((await gauges(sql)).backlog_seconds, undefined, 'nobody knows how many go into a request')
    await sql`select figi_private.reserve_api_slot('a', 25, '5 seconds')`
    await sql`select figi_private.block_api_budget('a', '1000 seconds')`
    await add(sql, [
      { counter: 'openfigi_requests', labels: { code: '200' }, count: 4 },
      { counter: 'openfigi_requests', labels: { code: '429' }, count: 1 },
      { counter: 'openfigi_answers', labels: { outcome: 'listing' }, count: 200 },
      { counter: 'openfigi_answers', labels: { outcome: 'unfiltered' }, count: 100 },
      { counter: 'openfigi_answers', labels: { outcome: 'none' }, count: 50 },
    ])
    await record(sql, 'w', 1, [])
    const { worker_last_seen_timestamp_seconds: seen, ...told } = await gauges(sql)
    assert.ok(Math.abs(Number(seen) - Date.now() / 1000) < 300)
    assert.equal(
      {
        ...told,
        oldest_request_age_seconds: 0,
        budget_blocked_seconds: Math.round(Number(told.budget_blocked_seconds) / 100),
      },
      {
        ...nothing,
        'mappings found': 1,
        stale_mappings: 1,
        'pending_requests lookup': 1,
        'pending_requests warming': 600,
        budget_used_ratio: 0.04,
        budget_blocked_seconds: 10,
        // 601 identifiers, 250 of them in 5 requests, 5 requests a second.
        backlog_seconds: 601 / 50 / 5,
      },
    )
    assert.ok(Number(told.oldest_request_age_seconds) >= 100)
    await sql`update figi_private.minute_counts set minute = minute - interval '2 hours'`
    assert.is((await gauges(sql)).backlog_seconds, 601 / 50 / 5, 'else as it has been in all')
  }))

test.run()
