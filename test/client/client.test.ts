import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LookupFailedError, OpenFIGIClient } from '../../src/index.ts'
import { testKey } from '../support/canaries.ts'
import { withClients } from '../support/client_stage.ts'
import { makeCusip, makeCusips } from '../support/identifiers_maker.ts'
import { observe, requestsFor } from '../support/mappings.ts'
import { knownSecurities } from '../support/openfigi_simulator.ts'
import { startDatabaseProxy } from '../support/tcp_proxy.ts'
import { until } from '../support/until.ts'

const test = suite('the client')

const { apple, bond, cayman, ibm, microsoft } = knownSecurities
const unknown = makeCusip(77)

async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('it was not rejected')
}

test('tells tickers of CUSIPs, CINS and ISINs, and fetches only what the database does not know', () =>
  withClients(async ({ client, sim }) => {
    sim.set(unknown, 'unknown')
    const pgfigi = client()
    assert.is(await pgfigi.getTickerFromCusip(apple.key), 'AAPL')
    assert.is(await pgfigi.getTickerFromIsin(microsoft.isin), 'MSFT')
    assert.is(await pgfigi.getTickerFromCusip(cayman.key), 'CYEX')
    assert.is(await pgfigi.getTickerFromCusip(bond.key), 'T 4 1/2 05/15/35', 'no market has it')
    assert.is(await pgfigi.getTickerFromCusip(unknown), null)
    const asked = sim.log.length
    assert.is(await pgfigi.getTickerFromCusip(' 037833-100 '), 'AAPL')
    assert.is(await pgfigi.getTickerFromIsin(apple.isin), 'AAPL', 'by way of the CUSIP')
    assert.is(await pgfigi.getTickerFromCusip(unknown), null)
    assert.is(await pgfigi.getTickerFromCusip(microsoft.isin), null, 'an ISIN is no CUSIP')
    const row = await pgfigi.resolve(apple.isin)
    assert.equal(
      { status: row.status, via: row.resolved_via, input: row.input, error: row.error, id: typeof row.id },
      { status: 'hit', via: 'CUSIP', input: apple.isin, error: null, id: 'string' },
    )
    assert.is((await pgfigi.resolve(unknown)).status, 'negative')
    assert.is(sim.log.length, asked, 'from the database')
  }))

test('sends the lookups of one tick in one query, and their misses in as few requests as possible', () =>
  withClients(async ({ client, sim, url }) => {
    await using proxy = await startDatabaseProxy(url)
    const lookups = () => proxy.sent().split(`public.resolve_mappings('CUSIP'`).length - 1
    const pgfigi = client({ dbUrl: proxy.urlOf(url), prepare: false })
    const values = makeCusips(0, 250)
    const rows = await Promise.all(values.map((value) => pgfigi.resolve(value)))
    const tickers = rows.map((row) => row.ticker)
    assert.equal(
      sim
        .filteredRequests()
        .map((entry) => entry.jobCount)
        .sort(),
      [100, 100, 50],
    )
    const missed = lookups()
    assert.ok(missed < 12, `${missed} queries: one that misses, and one for what each request brought`)

    const again = await Promise.all([
      ...values.map((value) => pgfigi.getTickerFromCusip(value)),
      ...values.map((value) => pgfigi.getTickerFromCusip(value)),
    ])
    assert.equal(again, [...tickers, ...tickers])
    assert.is(lookups(), missed + 1)
    const requests = sim.log.length
    assert.is(requests, 3 + sim.log.filter((entry) => !entry.filtered).length)
  }))

test('asks once for what several lookups want at the same time', () =>
  withClients(
    async ({ client, sim }) => {
      const pgfigi = client()
      const first = pgfigi.getTickerFromCusip(apple.key)
      await sleep(60)
      const tickers = await Promise.all([
        first,
        ...Array(50)
          .fill(apple.key)
          .map((value) => pgfigi.getTickerFromCusip(value)),
      ])
      assert.equal(new Set(tickers), new Set(['AAPL']))
      assert.is(sim.requestsFor(apple.key).length, 1)
      assert.is(sim.log[0]?.jobCount, 1)
    },
    { latencyMs: 600 },
  ))

test('lets a hit wait for no miss', () =>
  withClients(
    async ({ client, sql }) => {
      await observe(sql, 'CUSIP', apple.key, 'AAPL')
      const pgfigi = client()
      let isMissing = true
      const miss = pgfigi.getTickerFromCusip(ibm.key).finally(() => {
        isMissing = false
      })
      assert.is(await pgfigi.getTickerFromCusip(apple.key), 'AAPL')
      assert.ok(isMissing)
      assert.is(await miss, 'IBM')
    },
    { latencyMs: 500 },
  ))

test('serves a stale ticker at once and refreshes it in the background; for a stale negative it waits', () =>
  withClients(
    async ({ client, sql, sim }) => {
      await observe(sql, 'CUSIP', apple.key, 'OLD', '2020-01-01')
      await observe(sql, 'CUSIP', ibm.key, null, '2020-01-01')
      const pgfigi = client()
      const [served, waited] = await Promise.all([pgfigi.resolve(apple.key), pgfigi.resolve(ibm.key)])
      assert.equal([served.status, served.ticker], ['stale', 'OLD'])
      assert.equal([waited.status, waited.ticker], ['hit', 'IBM'])
      await until('it is refreshed', async () => (await pgfigi.getTickerFromCusip(apple.key)) === 'AAPL')
      assert.is(sim.requestsFor(apple.key).length, 1)
      const history = await sql`
        select ticker from public.security_mappings where identifier_value = ${apple.key} order by start_date`
      assert.equal(
        history.map((row) => row.ticker),
        ['OLD', 'AAPL'],
      )
    },
    { latencyMs: 200 },
  ))

test('keeps a stale negative, and says that it is stale, where OpenFIGI cannot be asked', () =>
  withClients(async ({ client, sql, sim }) => {
    sim.fail({ kind: 'jobErrors', times: Number.POSITIVE_INFINITY })
    await observe(sql, 'CUSIP', ibm.key, null, '2020-01-01')
    assert.is((await client().resolve(ibm.key)).status, 'stale')
  }))

test('takes the age from the option, the environment or the database, and zero for always stale', () =>
  withClients(async ({ client, sql, sim, url }) => {
    await sql`select from public.upsert_mapping('CUSIP', ${apple.key}, 'AAPL', now() - interval '2 days')`
    const statusFor = async (pgfigi: OpenFIGIClient) =>
      (await pgfigi.resolve(apple.key, { wait: false })).status
    assert.is(await statusFor(client()), 'hit')
    assert.is(await statusFor(client({ cacheMaxAgeDays: 1.5 })), 'stale')
    assert.is(await statusFor(client({ cacheMaxAgeDays: 2.5 })), 'hit')
    process.env.OPENFIGI_CACHE_MAX_AGE_DAYS = '1'
    try {
      assert.is(await statusFor(client()), 'stale')
      assert.is(await statusFor(client({ cacheMaxAgeDays: 3 })), 'hit', 'the option goes first')
    } finally {
      delete process.env.OPENFIGI_CACHE_MAX_AGE_DAYS
    }
    const database = new URL(url).pathname.slice(1)
    await sql`alter database ${sql(database)} set pgfigi.cache_max_age to '1 day'`
    assert.is(await statusFor(client()), 'stale')
    assert.is(await statusFor(client({ cacheMaxAgeDays: 3 })), 'hit')

    const impatient = client({ cacheMaxAgeDays: 0 })
    assert.is(await statusFor(impatient), 'stale')
    const asked = sim.log.length
    assert.is((await impatient.resolve(ibm.key)).status, 'hit', 'what has just been fetched is good enough')
    await sleep(300)
    assert.is(sim.requestsFor(ibm.key).length, 1, 'and not fetched again for having been looked at')
    assert.is(await requestsFor(sql, 'CUSIP', ibm.key), 0)
    assert.ok(sim.log.length > asked)
  }))

test('looks into the past without fetching what is known now', () =>
  withClients(async ({ client, sql, sim }) => {
    await observe(sql, 'CUSIP', apple.key, 'OLD', '2020-01-01')
    await observe(sql, 'CUSIP', apple.key, 'NEW', '2022-01-01')
    const pgfigi = client()
    const at = (day: string) => pgfigi.getTickerFromCusip(apple.key, { asOf: new Date(day) })
    assert.equal(await Promise.all([at('2019-06-01'), at('2021-06-01'), at('2023-06-01')]), [
      null,
      'OLD',
      'NEW',
    ])
    const extremes = ['-271821-04-20T00:00:00Z', '-000001-01-01T00:00:00Z', '+275760-09-13T00:00:00Z']
    assert.equal(await Promise.all(extremes.map(at)), [null, null, 'NEW'])
    const before = await pgfigi.resolve(apple.key, { asOf: new Date('2019-06-01') })
    assert.equal([before.status, before.error], ['miss', null])
    const [wrong, right] = await Promise.allSettled([at('no date'), at('2021-06-01')])
    assert.match(String(wrong.status === 'rejected' && wrong.reason), /asOf is no valid date/)
    assert.is(right.status === 'fulfilled' && right.value, 'OLD', 'the others of the tick get their answers')
    assert.is(sim.log.length, 0)
  }))

test('takes a day for the whole of it in UTC, whatever the time zones, and anything else for a mistake', () =>
  withClients(async ({ client, sql, sim, url }) => {
    await observe(sql, 'CUSIP', apple.key, 'OLD', '2020-01-01Z')
    await observe(sql, 'CUSIP', apple.key, 'NEW', '2021-03-09 23:30Z')
    await observe(sql, 'CUSIP', apple.key, 'NEW')
    const zoned = new URL(url)
    zoned.searchParams.set('TimeZone', 'Pacific/Auckland')
    await using proxy = await startDatabaseProxy(url)
    const pgfigi = client({ dbUrl: proxy.urlOf(zoned.href), prepare: false })
    const [before, day, after, instant, now] = await Promise.all([
      pgfigi.getTickerFromCusip(apple.key, { asOf: '2021-03-08' }),
      pgfigi.resolve(apple.key, { asOf: '2021-03-09' }),
      pgfigi.getTickerFromIsin(apple.isin, { asOf: '9999-12-31' }),
      pgfigi.getTickerFromCusip(apple.key, { asOf: new Date('2021-03-09T23:29:59Z') }),
      pgfigi.getTickerFromCusip(apple.key),
    ])
    assert.equal([before, day.ticker, after, instant, now], ['OLD', 'NEW', 'NEW', 'OLD', 'NEW'])
    assert.is(proxy.sent().split('public.resolve_mapping(').length - 1, 2, 'one query, of two branches')
    assert.is(await pgfigi.getTickerFromCusip(ibm.key, { asOf: '2021-03-09' }), null)
    assert.is(await requestsFor(sql, 'CUSIP', ibm.key), 1, 'nothing at all is known of it')
    for (const asOf of ['', 'yesterday', '2021-02-30', '2021-3-9', '0000-01-01', '2021-03-09T00:00:00Z', 7]) {
      const error = await rejection(pgfigi.getTickerFromCusip(apple.key, { asOf: asOf as string }))
      assert.instance(error, RangeError, String(asOf))
      assert.match(error.message, /asOf is .*: it must be a Date \(an instant\) or a day as YYYY-MM-DD/)
    }
    assert.is(sim.log.length, 0)
  }))

test('does not wait where it is told so: the fetch is requested and left to others', () =>
  withClients(async ({ client, sql, sim }) => {
    const row = await client().resolve(apple.key, { wait: false })
    assert.equal([row.status, row.fetch_requested, row.error], ['miss', true, null])
    assert.is(await requestsFor(sql, 'CUSIP', apple.key), 1)
    assert.is(sim.log.length, 0)
  }))

test('never answers with null what it could not ask', () =>
  withClients(async ({ client, sql, sim }) => {
    sim.set(apple.key, { error: 'Something about this job.' })
    const pgfigi = client()
    const other = client()
    const failures = await Promise.all([
      rejection(pgfigi.getTickerFromCusip(apple.key)),
      rejection(other.getTickerFromCusip(apple.key)),
    ])
    for (const failure of failures) assert.instance(failure, LookupFailedError)
    assert.ok(failures.some(({ message }) => message.includes('Something about this job.')))
    await sql`update figi_private.fetch_requests set gave_up_at = clock_timestamp()`
    assert.instance(await rejection(pgfigi.getTickerFromCusip(apple.key)), LookupFailedError)
    const row = await pgfigi.resolve(apple.key)
    assert.equal([row.status, row.ticker], ['miss', null])
    assert.match(row.error ?? '', /a minute later/)
  }))

test('says which database it is where nothing can be asked for', () =>
  withClients(async ({ client, sql, url }) => {
    await observe(sql, 'CUSIP', apple.key, 'AAPL')
    const database = new URL(url).pathname.slice(1)
    await sql`alter database ${sql(database)} set default_transaction_read_only to on`
    const pgfigi = client()
    assert.is(await pgfigi.getTickerFromCusip(apple.key), 'AAPL')
    assert.match((await rejection(pgfigi.getTickerFromCusip(ibm.key))).message, /read-only/)
  }))

test('counts, clears and refreshes the cache', () =>
  withClients(async ({ client, sql, sim }) => {
    sim.set(unknown, 'unknown')
    const pgfigi = client()
    await Promise.all([apple.key, ibm.key, unknown].map((value) => pgfigi.resolve(value)))
    const counts = async () => {
      const { hit_rate_1h: _, hit_rate_24h: __, budget_used, ...stats } = await pgfigi.getCacheStats()
      assert.ok(budget_used !== null && budget_used >= 0 && budget_used <= 1, String(budget_used))
      return stats
    }
    const stats = await counts()
    assert.equal(stats, {
      total_cached: 3,
      found_cached: 2,
      not_found_cached: 1,
      stale: 0,
      history_rows: 0,
      pending: 0,
      gave_up: 0,
    })
    await sql`update public.security_mappings set start_date = '2020-01-01', last_fetched_date = '2020-01-02'`
    sim.rename(apple.key, 'APPL')
    assert.is(await pgfigi.refreshStaleCacheEntries({ maxRows: 2, wait: true }), 2)
    assert.is((await counts()).stale, 1)
    assert.is(await pgfigi.refreshStaleCacheEntries({ wait: true }), 1)
    assert.is(await pgfigi.getTickerFromCusip(apple.key), 'APPL')
    assert.is(await pgfigi.clearCache(), 3)
    assert.equal(await counts(), {
      ...stats,
      total_cached: 0,
      found_cached: 0,
      not_found_cached: 0,
      history_rows: 4,
    })
    assert.is(await pgfigi.getTickerFromCusip(apple.key), 'APPL')
  }))

test('takes no more than it needs of a long queue that others left', () =>
  withClients(async ({ client, sql, sim }) => {
    await sql`select from public.resolve_mappings('CUSIP', ${makeCusips(0, 3000)})`
    const pgfigi = client()
    assert.is(await pgfigi.getTickerFromCusip(apple.key), 'AAPL')
    assert.is(sim.log.length, 1)
    assert.is(sim.log[0]?.jobCount, 100, 'its request is filled up')
  }))

test('is not held up by a request that it has sent for others', () =>
  withClients(async ({ client, sql, sim }) => {
    const pgfigi = client()
    await sql`select from public.resolve_mappings('CUSIP', ${makeCusips(0, 150)})`
    // The first request carries apple and 99 of the others, and is answered; what it brings back goes round again.
    sim.fail({ kind: 'hang', filtered: false, times: 1 })
    assert.is(await pgfigi.getTickerFromCusip(apple.key), 'AAPL')
    const began = performance.now()
    assert.is(await pgfigi.getTickerFromCusip(ibm.key), 'IBM')
    assert.ok(performance.now() - began < 20_000, 'it would be the half minute that a request may take')
  }))

test('ends what is under way when it is closed, and refuses what comes after', () =>
  withClients(
    async ({ client, sql, sim, logger }) => {
      await observe(sql, 'CUSIP', ibm.key, 'OLD', '2020-01-01')
      const pgfigi = client()
      const under = [pgfigi.getTickerFromCusip(apple.key), pgfigi.getTickerFromCusip(ibm.key)]
      await until('both are under way', () => sim.log[0]?.jobCount === 2)
      const closing = pgfigi.close()
      assert.equal(await Promise.all(under), ['AAPL', 'OLD'])
      await closing
      await pgfigi.close()
      assert.match((await rejection(pgfigi.getTickerFromCusip(apple.key))).message, /closed/)
      assert.match((await pgfigi.resolve(apple.key)).error ?? '', /closed/)
      assert.ok(await rejection(pgfigi.getCacheStats()))
      const claimed = await sql`select from figi_private.fetch_requests where claimed_by is not null`
      assert.is(claimed.length, 0)
      const tickers = await sql`select ticker from public.security_mappings where end_date is null order by 1`
      assert.equal(
        tickers.map((row) => row.ticker),
        ['AAPL', 'IBM'],
      )
      assert.equal(logger.messages('warn'), [])
    },
    { latencyMs: 300 },
  ))

test('connects to nothing before the first lookup, and closes without one', async () => {
  await using client = new OpenFIGIClient({ dbUrl: 'postgres://nobody@127.0.0.1:1/nothing', apiKey: testKey })
  assert.is((await client.resolve('nonsense')).status, 'invalid')
  assert.is(await client.getTickerFromCusip('nonsense'), null)
})

test.run()
