import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withDatabase, withRollback } from '../support/database.ts'
import { makeCusip, makeIsin } from '../support/identifiers_maker.ts'
import { failureOf, observe, openSession, requestsFor, resolve } from '../support/mappings.ts'

const test = suite('warm_mappings')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]
type Values = readonly (string | null)[] | null

async function warm(
  sql: Sql,
  type: string | null,
  values: Values,
  maxAge: string | null = null,
): Promise<number> {
  const [row] = await sql<[{ requested: number }]>`
    select warm_mappings(${type}::text, ${values as string[]}::text[], ${maxAge}::text::interval)::int as requested`
  return row.requested
}

async function counts(sql: Sql, type: string | null, values: Values): Promise<Record<string, number>> {
  const [row] = await sql`
    select w.invalid::int, w.known::int, w.waiting::int, w.requested::int
    from figi_private.request_warming(${type}::text, ${values as string[]}::text[], null) w`
  return { ...row }
}

const queue = async (sql: Sql) =>
  (
    await sql`select identifier_type, identifier_value, priority, unfiltered from figi_private.fetch_requests order by id`
  ).map((row) => ({ ...row }))

const claim = (sql: Sql) =>
  sql<{ identifier_value: string; unfiltered: boolean }[]>`
    select identifier_value, unfiltered from figi_private.claim_requests('me', 100, 100, '1 minute')`

const jobs = async (sql: Sql) =>
  (await sql`select from graphile_worker.jobs where task_identifier = 'fetch_mappings'`).length

test('what is unknown is requested once, as it is stored, behind what people wait for, with one job', async () => {
  await withRollback(async (sql) => {
    const before = await jobs(sql)
    const given = ['037833100', '37833100', ' 0378-33100', '594918104', '594918105', '', null, 'x']
    assert.equal(await counts(sql, 'cusip', given), { invalid: 4, known: 0, waiting: 2, requested: 2 })
    assert.equal(await queue(sql), [
      { identifier_type: 'CUSIP', identifier_value: '037833100', priority: 1, unfiltered: false },
      { identifier_type: 'CUSIP', identifier_value: '594918104', priority: 1, unfiltered: false },
    ])
    assert.is(await warm(sql, 'CUSIP', given), 0, 'again')
    assert.equal(await counts(sql, 'CUSIP', given), { invalid: 4, known: 0, waiting: 4, requested: 0 })
    assert.is(await jobs(sql), before + 1)
  })
})

test('without a type it is told from each value', async () => {
  await withRollback(async (sql) => {
    assert.is(await warm(sql, null, ['037833100', 'us5949181045', 'GB0002634946', 'nothing']), 3)
    assert.equal(
      (await queue(sql)).map((row) => `${row.identifier_type} ${row.identifier_value}`),
      ['CUSIP 037833100', 'ISIN GB0002634946', 'ISIN US5949181045'],
    )
  })
})

test('nothing raises: no values, null, another type, many of the same', async () => {
  await withRollback(async (sql) => {
    for (const values of [null, [], [null], ['']]) assert.is(await warm(sql, 'CUSIP', values), 0)
    assert.is(await warm(sql, 'SEDOL', ['037833100']), 0)
    assert.is(await warm(sql, 'ISIN', ['037833100']), 0)
    const [row] =
      await sql`select warm_mappings('CUSIP', array_fill('x'::text, array[100000]))::int as requested`
    assert.is(row?.requested, 0)
    assert.equal(await queue(sql), [])
  })
})

test('it requests exactly what resolve_mapping would request', async () => {
  await withRollback(async (sql) => {
    const apple = { CUSIP: '037833100', ISIN: 'US0378331005' }
    const cases: [string, () => Promise<unknown>][] = [
      ['nothing known', async () => {}],
      ['a hit', () => observe(sql, 'CUSIP', apple.CUSIP, 'AAPL')],
      ['a negative', () => observe(sql, 'CUSIP', apple.CUSIP, null)],
      ['a stale hit', () => observe(sql, 'CUSIP', apple.CUSIP, 'AAPL', '2020-01-01')],
      ['a stale negative', () => observe(sql, 'CUSIP', apple.CUSIP, null, '2020-01-01')],
      ['its sister', () => observe(sql, 'ISIN', apple.ISIN, 'AAPL')],
      ['its stale sister', () => observe(sql, 'ISIN', apple.ISIN, 'AAPL', '2020-01-01')],
      ['its negative sister', () => observe(sql, 'ISIN', apple.ISIN, null)],
      ['its Canadian sister', () => observe(sql, 'ISIN', 'CA0378331007', 'AAPL')],
      [
        'stale itself, with a fresh sister',
        async () => {
          await observe(sql, 'CUSIP', apple.CUSIP, 'AAPL', '2020-01-01')
          await observe(sql, 'ISIN', apple.ISIN, 'AAPL')
        },
      ],
      [
        'closed',
        async () => {
          await observe(sql, 'CUSIP', apple.CUSIP, 'AAPL')
          await sql`select clear_cache()`
        },
      ],
    ]
    const undone = Symbol('undone')
    const requested = new Set<boolean>()
    for (const [name, prepare] of cases) {
      for (const type of ['CUSIP', 'ISIN'] as const) {
        const outcome = { warmed: 0, asked: false }
        const inSavepoint = async (work: () => Promise<void>) =>
          sql
            .savepoint(async () => {
              await prepare()
              await work()
              throw undone
            })
            .catch((error) => {
              if (error !== undone) throw error
            })
        await inSavepoint(async () => {
          outcome.warmed = await warm(sql, type, [apple[type]])
        })
        await inSavepoint(async () => {
          outcome.asked = (await resolve(sql, type, apple[type])).fetch_requested
        })
        assert.is(outcome.warmed === 1, outcome.asked, `${type}: ${name}`)
        requested.add(outcome.asked)
      }
    }
    assert.is(requested.size, 2)
  })
})

test('open_sister and sister_mapping know the same sisters', async () => {
  await withRollback(async (sql) => {
    const isins = Array.from({ length: 60 }, (_, n) => makeIsin(n))
    for (const [n, isin] of isins.entries()) {
      if (n % 2 === 0) await observe(sql, 'ISIN', isin, n % 6 === 0 ? null : 'T')
      else if (/^(US|CA)/.test(isin)) await observe(sql, 'CUSIP', isin.slice(2, 11), n % 5 === 0 ? null : 'T')
    }
    const rows = await sql<{ one: string | null; other: string | null }[]>`
      select s.id as one, figi_private.sister_mapping(i.type, i.value, null) as other
      from unnest(${isins}::text[]) as isin (value)
      cross join lateral (values ('ISIN', isin.value), ('CUSIP', substr(isin.value, 3, 9))) as i (type, value)
      left join lateral figi_private.open_sister(i.type, i.value) s on true`
    assert.ok(rows.every(({ one, other }) => one === other))
    assert.ok(rows.filter(({ one }) => one !== null).length > 10)
  })
})

test('max_age decides what is old: by the argument, else by the setting', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', '037833100', 'AAPL')
    await sql`update security_mappings set start_date = start_date - interval '3 days', last_fetched_date = last_fetched_date - interval '3 days'`
    assert.is(await warm(sql, 'CUSIP', ['037833100']), 0)
    assert.is(await warm(sql, 'CUSIP', ['037833100'], '4 days'), 0)
    await sql`set local pgfigi.cache_max_age = '2 days'`
    assert.is(await warm(sql, 'CUSIP', ['037833100'], '4 days'), 0)
    assert.is(await warm(sql, 'CUSIP', ['037833100']), 1)
    assert.is(await warm(sql, 'CUSIP', ['037833100'], '0'), 0, 'it waits already')
  })
})

test('a person who misses what is being warmed goes before, and is fetched once', async () => {
  await withRollback(async (sql) => {
    const values = Array.from({ length: 8 }, (_, n) => makeCusip(n))
    assert.is(await warm(sql, 'CUSIP', values), 8)
    const last = values.toSorted().at(-1) as string
    assert.is((await resolve(sql, 'CUSIP', last)).fetch_requested, true)
    assert.is(await requestsFor(sql, 'CUSIP', last), 2)
    const claimed = await claim(sql)
    assert.is(claimed[0]?.identifier_value, last)
    assert.is(claimed.length, 8)
    assert.is(await warm(sql, 'CUSIP', [last]), 0, 'warming what a person waits for changes nothing')
  })
})

test('what is being refreshed is made more urgent, in the round that it has reached', async () => {
  await withRollback(async (sql) => {
    await sql`
      insert into figi_private.fetch_requests (identifier_type, identifier_value, priority, unfiltered)
      values ('CUSIP', ${makeCusip(1)}, 2, true)`
    assert.is(await warm(sql, 'CUSIP', [makeCusip(1)]), 1)
    assert.is(await warm(sql, 'CUSIP', [makeCusip(1)]), 0)
    const [, request] = await queue(sql)
    assert.equal([request?.priority, request?.unfiltered], [1, true])
    assert.is((await claim(sql)).length, 1)
  })
})

test('what gave up is asked for again after a minute', async () => {
  await withRollback(async (sql) => {
    await sql`
      insert into figi_private.fetch_requests (identifier_type, identifier_value, gave_up_at)
      values ('CUSIP', ${makeCusip(1)}, clock_timestamp())`
    assert.is(await warm(sql, 'CUSIP', [makeCusip(1)]), 0)
    await sql`update figi_private.fetch_requests set gave_up_at = gave_up_at - interval '61 seconds'`
    assert.is(await warm(sql, 'CUSIP', [makeCusip(1)]), 1)
  })
})

test('two sessions that warm the same neither wait for each other nor have it fetched twice', async () => {
  await withDatabase(async ({ sql, url }) => {
    await using one = await openSession(url)
    await using other = await openSession(url)
    const values = Array.from({ length: 50 }, (_, n) => makeCusip(n))
    for (const { sql } of [one, other]) {
      await sql`begin`
      await sql`set local lock_timeout = '10 s'`
    }
    const requested = [
      await warm(one.sql as never, 'CUSIP', values),
      await warm(other.sql as never, 'CUSIP', values),
    ]
    for (const { sql } of [one, other]) await sql`commit`
    assert.equal(requested, [50, 50])
    assert.is((await claim(sql as never)).length, 50)
    assert.is((await claim(sql as never)).length, 0)
  })
})

test('in a read-only transaction it says that it cannot write', async () => {
  await withRollback(async (sql) => {
    await sql`set transaction read only`
    assert.is((await failureOf(warm(sql, 'CUSIP', ['037833100'])))?.code, '25006')
  })
})

test('the time grows with the number of values, also on a queue that was empty when the session began', async () => {
  await withDatabase(async ({ sql, url }) => {
    await using session = await openSession(url)
    await warm(session.sql as never, 'CUSIP', [makeCusip(1)])
    let next = 10
    const timed = async (count: number) => {
      const given = Array.from({ length: count }, (_, n) => makeCusip(n + next))
      next += count
      const began = performance.now()
      assert.is(await warm(session.sql as never, 'CUSIP', given), count)
      return performance.now() - began
    }
    await timed(500)
    const times: [small: number, large: number][] = []
    for (let time = 0; time < 3; time++) times.push([await timed(1_000), await timed(10_000)])
    // The best of each: whatever else runs on the machine may hold up any one of them for long.
    const [small, large] = [0, 1].map((place) => Math.min(...times.map((one) => one[place] as number))) as [
      number,
      number,
    ]
    console.log(`\n    1,000 in ${Math.round(small)} ms, 10,000 in ${Math.round(large)} ms`)
    assert.ok(large < small * 40, `1,000 took ${small} ms, 10,000 took ${large} ms`)
    assert.is(Number((await sql`select waiting from figi_private.queue_size()`)[0]?.waiting), 33_501)
  })
})

test.run()
