// runs alone: it stops and starts a server of its own
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LookupFailedError, OpenFIGIClient, type OpenFIGIClientOptions } from '../../src/index.ts'
import { silentLogger } from '../../src/log.ts'
import { testKey } from '../support/canaries.ts'
import { withDatabase } from '../support/database.ts'
import { makeCusip, makeCusips } from '../support/identifiers_maker.ts'
import { type Simulator, withSimulator } from '../support/openfigi_simulator.ts'
import { type OwnCluster, withOwnCluster } from '../support/own_cluster.ts'
import { type RecordingLogger, recordingLogger } from '../support/recording_logger.ts'
import { startDatabaseProxy } from '../support/tcp_proxy.ts'
import { until } from '../support/until.ts'

const test = suite('a client whose database is away')

/** Unlimited, because the budget starts afresh where the database is away. */
const simulator = { limit: { requests: 1_000_000, windowMs: 1000 }, latencyMs: 100 }

function clientOf(url: string, sim: Simulator, options: OpenFIGIClientOptions = {}): OpenFIGIClient {
  return new OpenFIGIClient({
    dbUrl: url,
    apiUrl: sim.url,
    apiKey: testKey,
    rateLimit: '25/300ms',
    ...options,
  })
}

interface Row {
  readonly ticker: string | null
  readonly fetched: Date
}

/** The open rows of the table, read without the client. */
async function openRows(url: string): Promise<Map<string, Row>> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    const rows = await sql<(Row & { value: string })[]>`
      select identifier_value as value, ticker, last_fetched_date as fetched
      from public.security_mappings
      where end_date is null`
    return new Map(rows.map((row) => [row.value, row]))
  } finally {
    await sql.end()
  }
}

async function isBack(logger: RecordingLogger): Promise<void> {
  await until('the client is back', () => logger.messages('info').includes('The database is back'))
}

async function stoppedInTheMiddle(cluster: OwnCluster, sim: Simulator): Promise<void> {
  const logger = recordingLogger()
  await using client = clientOf(cluster.url, sim, { logger })
  const known = await Promise.all(makeCusips(0, 300).map((value) => client.resolve(value)))
  assert.ok(known.every(({ status }) => status === 'hit' || status === 'negative'))

  const under = Promise.all(makeCusips(1000, 2000).map((value) => client.resolve(value)))
  await until('some are under way', () => sim.log.length > 8)
  const stoppedAt = new Date()
  await cluster.stop()
  const meanwhile = await Promise.all(
    [...makeCusips(5000, 150), ...makeCusips(0, 50)].map((value) => client.resolve(value)),
  )
  const began = await under
  for (const { status, error } of [...began, ...meanwhile]) {
    assert.ok(status === 'hit' || status === 'negative', `${status}: ${error}`)
  }
  const ticker = await client.getTickerFromCusip(makeCusip(5000))
  assert.is(ticker, meanwhile[0]?.ticker)
  const asked = sim.log.length
  await client.resolve(makeCusip(5000))
  assert.is(sim.log.length, asked, 'what was fetched meanwhile is not asked for again')
  await client.resolve(makeCusip(0), { asOf: new Date() }).then(({ error }) => {
    assert.match(error ?? '', /history is in the database/)
  })
  let refusal: unknown
  await client.getCacheStats().catch((error) => {
    refusal = error
  })
  assert.match(String(refusal), /cannot be reached/)
  assert.equal(logger.messages('warn').length, 1, logger.messages('warn').join('\n'))
  assert.equal(logger.messages('error'), [])

  await sleep(1500)
  const startedAt = new Date()
  await cluster.start()
  await isBack(logger)
  await until('all is written', async () => (await openRows(cluster.url)).size >= 300 + 2000 + 150)
  const rows = await openRows(cluster.url)
  for (const { input, ticker } of [...began, ...meanwhile]) assert.is(rows.get(input)?.ticker, ticker)
  for (const value of makeCusips(5000, 150)) {
    const { fetched } = rows.get(value) as Row
    assert.ok(fetched >= stoppedAt && fetched < startedAt, `${value} was fetched ${fetched}`)
  }
  const again = await client.resolve(makeCusip(5001))
  assert.ok(again.id, 'it comes out of the database again')
  assert.equal(logger.messages('warn').length, 1)
  const left = await leftRequests(cluster.url)
  assert.is(left, 0, 'what was fetched is not requested any more')
}

async function leftRequests(url: string): Promise<number> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    return (await sql`select from figi_private.fetch_requests where gave_up_at is null`).length
  } finally {
    await sql.end()
  }
}

async function closedWhileAway(cluster: OwnCluster, sim: Simulator): Promise<void> {
  const logger = recordingLogger()
  const client = clientOf(cluster.url, sim, { logger })
  await client.resolve(makeCusip(0))
  await cluster.stop()
  await Promise.all(makeCusips(7000, 20).map((value) => client.resolve(value)))
  const began = performance.now()
  await client.close()
  assert.ok(performance.now() - began < 60_000)
  const [lost] = logger.lines.filter(({ level }) => level === 'error')
  assert.match(lost?.message ?? '', /still away/)
  assert.equal(lost?.fields && 'lost' in lost.fields && lost.fields.lost, 20)
  await cluster.start()
}

async function awayFromTheBeginning(cluster: OwnCluster, sim: Simulator): Promise<void> {
  await cluster.stop()
  const logger = recordingLogger()
  await using client = clientOf(cluster.url, sim, { logger })
  const answers = await Promise.all(makeCusips(8000, 120).map((value) => client.resolve(value)))
  assert.ok(answers.every(({ status }) => status === 'hit' || status === 'negative'))
  assert.equal(logger.messages('warn').length, 1)
  await cluster.start()
  await client.close()
  const rows = await openRows(cluster.url)
  assert.ok(
    makeCusips(8000, 120).every((value) => rows.has(value)),
    'close writes what is still to be written',
  )
}

test('answers from OpenFIGI, warns once, and writes everything when the database is back', () =>
  withSimulator(simulator, (sim) =>
    withOwnCluster(async (cluster) => {
      await stoppedInTheMiddle(cluster, sim)
      await closedWhileAway(cluster, sim)
      await awayFromTheBeginning(cluster, sim)
    }),
  ))

test('holds its deadline where a connection swallows everything', () =>
  withSimulator(simulator, (sim) =>
    withDatabase(async ({ url }) => {
      await using proxy = await startDatabaseProxy(url)
      const logger = recordingLogger()
      const client = clientOf(proxy.urlOf(url), sim, { logger, queryTimeoutMs: 400, maxConnections: 3 })
      await client.resolve(makeCusip(0))
      const under = Promise.all(makeCusips(100, 500).map((value) => client.resolve(value)))
      await until('some are under way', () => sim.log.length > 2)
      proxy.block()
      const began = performance.now()
      const answers = await Promise.all(makeCusips(1000, 200).map((value) => client.resolve(value)))
      assert.ok(answers.every(({ status }) => status === 'hit' || status === 'negative'))
      const firstMs = performance.now() - began
      for (const { status, error } of await under) assert.ok(status !== 'miss', error ?? '')
      const allMs = performance.now() - began
      console.log(
        `\n    answered ${firstMs.toFixed(0)} ms after the block, those under way ${allMs.toFixed(0)} ms`,
      )
      assert.equal(logger.messages('warn').length, 1, logger.messages('warn').join('\n'))
      // Long enough for several attempts to return, each of which leaves a query hanging.
      await sleep(9_000)
      proxy.unblock()
      await isBack(logger)
      await until('all is written', async () => (await openRows(url)).size >= 1 + 500 + 200)
      // Once what has been held up is through, an answer comes within the deadline again.
      await until('the database answers', async () => (await client.resolve(makeCusip(1001))).id !== null)
      await client.close()
    }),
  ))

test('closes within seconds on a connection that swallows everything', () =>
  withSimulator(simulator, (sim) =>
    withDatabase(async ({ url }) => {
      await using proxy = await startDatabaseProxy(url)
      const client = clientOf(proxy.urlOf(url), sim, { logger: silentLogger, queryTimeoutMs: 300 })
      await client.resolve(makeCusip(0))
      proxy.block()
      await Promise.all(makeCusips(1, 50).map((value) => client.resolve(value)))
      const began = performance.now()
      await client.close()
      assert.ok(performance.now() - began < 60_000)
      console.log(`\n    closed after ${((performance.now() - began) / 1000).toFixed(1)} s`)
    }),
  ))

test('does without on purpose (enableCache: false): every lookup asks OpenFIGI', () =>
  withSimulator(simulator, async (sim) => {
    const logger = recordingLogger()
    await using client = clientOf('postgres://nobody@127.0.0.1:1/nothing', sim, {
      enableCache: false,
      logger,
    })
    const answers = await Promise.all(makeCusips(0, 130).map((value) => client.resolve(value)))
    assert.ok(answers.every(({ status }) => status === 'hit' || status === 'negative'))
    const filtered = sim.filteredRequests().map((entry) => entry.jobCount)
    assert.equal(new Set(filtered), new Set([100, 30]))
    assert.is(filtered.length, 2)
    // One after the other, as a careless loop does.
    for (const value of makeCusips(0, 5)) await client.getTickerFromCusip(value)
    assert.ok(sim.filteredRequests().length === 7, 'nothing is kept')
    assert.is((await client.resolve('nonsense')).status, 'invalid')
    await Promise.all(
      [client.getCacheStats(), client.clearCache(), client.refreshStaleCacheEntries()].map((call) =>
        call.then(
          () => assert.unreachable(),
          (error) => assert.match(error.message, /has no database/),
        ),
      ),
    )
    assert.equal(logger.messages('warn'), [])
    sim.fail({ status: 500, times: Number.POSITIVE_INFINITY })
    await client.getTickerFromCusip(makeCusip(900)).then(
      () => assert.unreachable(),
      (error) => assert.instance(error, LookupFailedError),
    )
  }))

test.run()
