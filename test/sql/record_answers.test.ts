import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withRollback } from '../support/database.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { failureOf, observe, periodsOf, requestsFor, resolve } from '../support/mappings.ts'

const test = suite('record_answers')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

const answer = (n: number, rest: object) => ({
  identifier_type: 'CUSIP',
  identifier_value: makeCusip(n),
  ...rest,
})

async function record(sql: Sql, answers: object[], age = '0'): Promise<number> {
  const [row] = await sql<[{ written: number }]>`
    select figi_private.record_answers(${JSON.stringify(answers)}::text::jsonb, ${age}::text::interval)::int as written`
  return row.written
}

const request = async (sql: Sql, n: number) => {
  const [row] = await sql`
    select
      r.unfiltered, r.attempts, r.setbacks, r.last_error, r.claimed_by, r.gave_up_at is not null as gave_up
    from figi_private.fetch_requests r
    where r.identifier_value = ${makeCusip(n)}
    order by r.id desc`
  return row && { ...row }
}

const claim = (sql: Sql, claimant = 'me') =>
  sql<{ identifier_value: string; unfiltered: boolean }[]>`
    select identifier_value, unfiltered from figi_private.claim_requests(${claimant}, 100, 100, '1 minute')`

const clock = async (sql: Sql) => (await sql<[{ now: string }]>`select clock_timestamp()::text as now`)[0].now

const status = async (sql: Sql, n: number) => (await resolve(sql, 'CUSIP', makeCusip(n))).status

/** Lets the pause of every request, and the minute after it gave up, be over. */
const letPauseEnd = (sql: Sql) => sql`
  update figi_private.fetch_requests
  set not_before = clock_timestamp(), gave_up_at = gave_up_at - interval '61 seconds'`

test('a listing is written with all its columns, and its requests are done, however many there are', async () => {
  await withRollback(async (sql) => {
    await resolve(sql, 'CUSIP', makeCusip(1))
    await sql`
      insert into figi_private.fetch_requests (identifier_type, identifier_value, priority, unfiltered)
      values ('CUSIP', ${makeCusip(1)}, 2, true)`
    await claim(sql)
    const columns = {
      ticker: 'IBM',
      figi: 'BBG000BLNNH6',
      composite_figi: 'BBG000BLNNH6',
      share_class_figi: 'BBG001S5S399',
      name: 'INTL BUSINESS MACHINES CORP',
      exch_code: 'US',
      security_type: 'Common Stock',
      security_type2: 'Common Stock',
      market_sector: 'Equity',
      alternatives: [{ ticker: 'IBM1', figi: 'X' }],
    }
    assert.is(await record(sql, [answer(1, { outcome: 'listing', ...columns })]), 1)
    const [row] = await sql`select * from resolve_mapping('CUSIP', ${makeCusip(1)})`
    assert.equal(Object.fromEntries(Object.keys(columns).map((name) => [name, row?.[name]])), columns)
    assert.is(row?.status, 'hit')
    assert.is(row?.source, 'openfigi')
    assert.is(await requestsFor(sql, 'CUSIP', makeCusip(1)), 0)
  })
})

test('none on the unfiltered round is a negative, and the request is done', async () => {
  await withRollback(async (sql) => {
    await resolve(sql, 'CUSIP', makeCusip(1))
    await claim(sql)
    assert.is(await record(sql, [answer(1, { outcome: 'none' })]), 1)
    assert.is(await status(sql, 1), 'negative')
    assert.is(await requestsFor(sql, 'CUSIP', makeCusip(1)), 0)
  })
})

test('unfiltered puts the request into the second round, free to be claimed, and writes nothing', async () => {
  await withRollback(async (sql) => {
    await resolve(sql, 'CUSIP', makeCusip(1))
    await claim(sql)
    assert.is(await record(sql, [answer(1, { outcome: 'unfiltered' })]), 0)
    assert.equal(await periodsOf(sql, 'CUSIP', makeCusip(1)), [])
    const [claimed] = await claim(sql, 'other')
    assert.equal({ ...claimed }, { identifier_value: makeCusip(1), unfiltered: true })
  })
})

test('an error is retried after 2, 8 and 30 seconds, then gives up; it never becomes a negative', async () => {
  await withRollback(async (sql) => {
    await resolve(sql, 'CUSIP', makeCusip(1))
    for (const [attempt, pause] of [2, 8, 30].entries()) {
      assert.is((await claim(sql)).length, 1)
      const before = await clock(sql)
      await record(sql, [answer(1, { outcome: 'error', message: `no ${attempt}` })])
      const after = await clock(sql)
      assert.equal(await request(sql, 1), {
        unfiltered: false,
        attempts: attempt + 1,
        setbacks: 0,
        last_error: `no ${attempt}`,
        claimed_by: null,
        gave_up: false,
      })
      const [row] = await sql`
        select
          not_before - ${`${pause} s`}::text::interval
            between ${before}::text::timestamptz and ${after}::text::timestamptz as is_paused
        from figi_private.fetch_requests`
      assert.is(row?.is_paused, true, `for ${pause} s`)
      await sql`update figi_private.fetch_requests set not_before = not_before + interval '1 minute'`
      assert.is((await claim(sql)).length, 0, 'not before the pause is over')
      assert.is(await status(sql, 1), 'miss')
      await letPauseEnd(sql)
    }
    assert.is((await claim(sql)).length, 1)
    await record(sql, [answer(1, { outcome: 'error', message: 'no more' })])
    assert.is((await request(sql, 1))?.gave_up, true)
    assert.equal(await periodsOf(sql, 'CUSIP', makeCusip(1)), [])
    await sql`update figi_private.fetch_requests set not_before = clock_timestamp()`
    assert.is((await claim(sql)).length, 0)
  })
})

test('after giving up, a lookup asks anew once a minute is over, with all its retries', async () => {
  await withRollback(async (sql) => {
    await resolve(sql, 'CUSIP', makeCusip(1))
    for (let attempt = 0; attempt < 4; attempt++) {
      await claim(sql)
      await record(sql, [answer(1, { outcome: 'error', message: 'no' })])
      if (attempt < 3) await letPauseEnd(sql)
    }
    const early = await resolve(sql, 'CUSIP', makeCusip(1))
    assert.equal([early.status, early.fetch_requested], ['miss', false])
    await letPauseEnd(sql)
    const later = await resolve(sql, 'CUSIP', makeCusip(1))
    assert.equal([later.status, later.fetch_requested], ['miss', true])
    assert.is((await claim(sql)).length, 1)
    await record(sql, [answer(1, { outcome: 'error', message: 'again' })])
    const now = await request(sql, 1)
    assert.equal([now?.attempts, now?.gave_up], [1, false])
    await letPauseEnd(sql)
    await claim(sql)
    await record(sql, [answer(1, { outcome: 'listing', ticker: 'T' })])
    assert.is(await status(sql, 1), 'hit')
    assert.is(await requestsFor(sql, 'CUSIP', makeCusip(1)), 0, 'what gave up is forgotten')
  })
})

test('an error leaves a good row, and a negative one, as they are', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', makeCusip(1), 'GOOD', '2020-01-01')
    await observe(sql, 'CUSIP', makeCusip(2), null, '2020-01-01')
    const before = [...(await sql`select * from security_mappings order by id`)]
    await status(sql, 1)
    await status(sql, 2)
    await claim(sql)
    await record(sql, [answer(1, { outcome: 'error', message: 'x' }), answer(2, { outcome: 'error' })])
    assert.equal([...(await sql`select * from security_mappings order by id`)], before)
  })
})

test('a listing without a ticker is no negative but an error', async () => {
  await withRollback(async (sql) => {
    for (const [n, rest] of [{}, { ticker: null }, { ticker: '' }, { ticker: '  ' }].entries()) {
      await resolve(sql, 'CUSIP', makeCusip(n))
      await claim(sql)
      assert.is(await record(sql, [answer(n, { outcome: 'listing', figi: 'F', ...rest })]), 0)
      assert.equal(await periodsOf(sql, 'CUSIP', makeCusip(n)), [])
      assert.equal(
        [(await request(sql, n))?.attempts, (await request(sql, n))?.last_error],
        [1, 'The listing has no ticker'],
      )
    }
  })
})

test('a whole answer with every outcome is recorded at once', async () => {
  await withRollback(async (sql) => {
    for (let n = 0; n < 5; n++) await resolve(sql, 'CUSIP', makeCusip(n))
    await claim(sql)
    const written = await record(sql, [
      answer(0, { outcome: 'listing', ticker: 'A' }),
      answer(1, { outcome: 'none' }),
      answer(2, { outcome: 'unfiltered' }),
      answer(3, { outcome: 'error', message: 'e'.repeat(2000) }),
    ])
    assert.is(written, 2)
    assert.equal(
      [await status(sql, 0), await status(sql, 1), await status(sql, 2)],
      ['hit', 'negative', 'miss'],
    )
    assert.is((await request(sql, 2))?.unfiltered, true)
    assert.is((await request(sql, 3))?.last_error.length, 500)
    assert.is((await request(sql, 4))?.claimed_by, 'me', 'what has no answer stays claimed')
  })
})

test('one identifier that is none takes the whole answer back', async () => {
  await withRollback(async (sql) => {
    await resolve(sql, 'CUSIP', makeCusip(0))
    await claim(sql)
    const failure = await failureOf(
      sql.savepoint((s) =>
        record(s, [
          answer(0, { outcome: 'listing', ticker: 'A' }),
          { identifier_type: 'CUSIP', identifier_value: 'nonsense', outcome: 'none' },
        ]),
      ),
    )
    assert.is(failure?.code, 'PF001')
    assert.is(await status(sql, 0), 'miss')
    assert.is((await request(sql, 0))?.claimed_by, 'me')
  })
})

test('an answer that was received a while ago is an observation of then', async () => {
  await withRollback(async (sql) => {
    await record(sql, [answer(0, { outcome: 'listing', ticker: 'A' })], '1 hour')
    await observe(sql, 'CUSIP', makeCusip(1), 'NEWER')
    await record(sql, [answer(1, { outcome: 'listing', ticker: 'OLDER' })], '1 hour')
    const [row] = await sql`
      select extract(epoch from clock_timestamp() - last_fetched_date)::float8 as age
      from security_mappings
      where ticker = 'A'`
    assert.ok(row?.age >= 3600 && row?.age < 3660)
    assert.equal(
      (await periodsOf(sql, 'CUSIP', makeCusip(1))).map((one) => one.ticker),
      ['NEWER'],
    )
    await record(sql, [answer(2, { outcome: 'listing', ticker: 'A' })], '-1 hour')
    assert.is((await resolve(sql, 'CUSIP', makeCusip(2), { maxAge: '1 minute' })).status, 'hit')
    const [future] =
      await sql`select last_fetched_date > clock_timestamp() as future from security_mappings where identifier_value = ${makeCusip(2)}`
    assert.is(future?.future, false, 'a clock that jumps back makes nothing of the future')
  })
})

test('an empty answer, one for what nobody asked, and one that comes twice do no harm', async () => {
  await withRollback(async (sql) => {
    assert.is(await record(sql, []), 0)
    assert.is(await record(sql, [answer(0, { outcome: 'listing', ticker: 'A' })]), 1)
    await record(sql, [answer(0, { outcome: 'listing', ticker: 'A' })])
    await record(sql, [answer(9, { outcome: 'error', message: 'm' }), answer(8, { outcome: 'unfiltered' })])
    assert.is((await periodsOf(sql, 'CUSIP', makeCusip(0))).length, 1)
    const rows = await sql`select from figi_private.fetch_requests`
    assert.is(rows.length, 0)
  })
})

test('an answer ends a series of setbacks', async () => {
  await withRollback(async (sql) => {
    await resolve(sql, 'CUSIP', makeCusip(0))
    await claim(sql)
    await sql`select figi_private.release_claims('me', '{CUSIP}', ${[makeCusip(0)]}, 'outage')`
    assert.is((await request(sql, 0))?.setbacks, 1)
    await letPauseEnd(sql)
    await claim(sql)
    await record(sql, [answer(0, { outcome: 'unfiltered' })])
    assert.is((await request(sql, 0))?.setbacks, 0)
  })
})

test('pending_requests tells what waits for its first answer', async () => {
  await withRollback(async (sql) => {
    for (let n = 0; n < 4; n++) await resolve(sql, 'CUSIP', makeCusip(n))
    await claim(sql)
    await record(sql, [
      answer(0, { outcome: 'listing', ticker: 'A' }),
      answer(1, { outcome: 'error', message: 'm' }),
      answer(2, { outcome: 'unfiltered' }),
    ])
    const asked = [0, 1, 2, 3, 4].map(makeCusip)
    const rows = await sql`
      select identifier_value
      from figi_private.pending_requests(array_fill('CUSIP'::text, array[5]), ${asked})`
    assert.equal(
      rows.map((row) => row.identifier_value),
      [makeCusip(2), makeCusip(3)],
    )
    assert.is((await sql`select from figi_private.pending_requests('{}', '{}')`).length, 0)
    assert.is((await sql`select from figi_private.pending_requests(null, null)`).length, 0)
  })
})

test('refresh_stale requests the oldest first, behind everything else, and nothing twice', async () => {
  await withRollback(async (sql) => {
    const jobs = async () =>
      (await sql`select from graphile_worker.jobs where task_identifier = 'fetch_mappings'`).length
    const before = await jobs()
    for (let n = 0; n < 5; n++)
      await observe(sql, 'CUSIP', makeCusip(n), n === 2 ? null : 'T', `2020-01-0${n + 1}`)
    await observe(sql, 'CUSIP', makeCusip(5), 'FRESH')
    const refresh = async (maxAge: string | null, rows: number | null) => {
      const [row] = await sql<[{ requested: number }]>`
        select refresh_stale(${maxAge}::text::interval, ${rows}::int)::int as requested`
      return row.requested
    }
    assert.is(await refresh(null, 0), 0)
    assert.is(await refresh(null, 2), 2)
    assert.is(await refresh(null, 2), 2)
    assert.is(await refresh(null, null), 1)
    assert.is(await refresh(null, null), 0)
    await resolve(sql, 'CUSIP', makeCusip(9))
    const order = await claim(sql)
    assert.equal(
      order.map((row) => row.identifier_value),
      [9, 0, 1, 2, 3, 4].map(makeCusip),
    )
    assert.is(await refresh('0', null), 1)
    assert.is(await jobs(), before + 1, 'one job a transaction')
  })
})

test('a lookup of what is being refreshed makes it urgent', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', makeCusip(0), 'OLD', '2020-01-01')
    await sql`select refresh_stale()`
    await resolve(sql, 'CUSIP', makeCusip(0))
    const rows = await sql`select priority from figi_private.fetch_requests order by priority`
    assert.equal(
      rows.map((row) => row.priority),
      [0, 2],
    )
    assert.is((await claim(sql)).length, 1)
    await record(sql, [answer(0, { outcome: 'listing', ticker: 'OLD' })])
    assert.is(await requestsFor(sql, 'CUSIP', makeCusip(0)), 0)
  })
})

test.run()
