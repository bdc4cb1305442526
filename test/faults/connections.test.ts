// takes minutes: deadlines have to pass on connections that swallow everything
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LookupFailedError, OpenFIGIClient, type OpenFIGIClientOptions } from '../../src/index.ts'
import { amount, isAtLength } from '../support/at_length.ts'
import { testKey } from '../support/canaries.ts'
import { withDatabase } from '../support/database.ts'
import { figure } from '../support/figure.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { type Simulator, withSimulator } from '../support/openfigi_simulator.ts'
import { type RecordingLogger, recordingLogger } from '../support/recording_logger.ts'
import { startDatabaseProxy, type TcpProxy } from '../support/tcp_proxy.ts'
import { until } from '../support/until.ts'

const test = suite('connections that are disturbed')

const queryTimeoutMs = 1_000
/** The deadline of a query, twice where one fails while another is asked, OpenFIGI's answer, and a machine that is short of breath. */
const longestMs = 3 * queryTimeoutMs + 4_000

interface Stage {
  readonly proxy: TcpProxy
  readonly client: OpenFIGIClient
  readonly sql: Sql
  readonly sim: Simulator
  readonly logger: RecordingLogger
}

function withStage(
  work: (stage: Stage) => Promise<void>,
  options: OpenFIGIClientOptions = {},
): Promise<void> {
  return withSimulator({ limit: { requests: 1_000_000, windowMs: 1000 }, latencyMs: 20 }, (sim) =>
    withDatabase(async ({ sql, url }) => {
      await using proxy = await startDatabaseProxy(url)
      const logger = recordingLogger()
      const client = new OpenFIGIClient({
        dbUrl: proxy.urlOf(url),
        apiUrl: sim.url,
        apiKey: testKey,
        rateLimit: '1000/1s',
        queryTimeoutMs,
        logger,
        ...options,
      })
      try {
        await work({ proxy, client, sql, sim, logger })
      } finally {
        proxy.disturb('both', undefined)
        proxy.unblock()
        await client.close()
      }
    }),
  )
}

let next = 0
/** Identifiers that nobody has asked for yet. */
const fresh = (count: number) => Array.from({ length: count }, () => makeCusip(++next))

async function openRows(sql: Sql): Promise<number> {
  return (await sql`select from public.security_mappings where end_date is null`).length
}

/** All get an answer, none later than its deadline; the longest, in milliseconds. */
async function allAnswered(
  client: OpenFIGIClient,
  values: readonly string[],
  deadlineMs = longestMs,
): Promise<number> {
  let longest = 0
  await Promise.all(
    values.map(async (value) => {
      const began = performance.now()
      const { status, error } = await client.resolve(value)
      longest = Math.max(longest, performance.now() - began)
      assert.ok(status === 'hit' || status === 'negative', `${value}: ${status} ${error}`)
    }),
  )
  assert.ok(longest < deadlineMs, `the slowest lookup took ${longest.toFixed(0)} ms`)
  return longest
}

/** Whatever it was given up for is over. */
async function isBack({ client, logger }: Stage): Promise<void> {
  await until('the database is back', async () => {
    await client.resolve(makeCusip(800_000))
    const returns = logger.messages('info').filter((message) => message === 'The database is back')
    return returns.length === logger.messages('warn').length
  })
}

/** Everything that was answered is in the database, and it is asked again. */
async function isWritten({ sql, client, logger }: Stage, values: readonly string[]): Promise<void> {
  await until('all is written', async () => (await openRows(sql)) >= values.length, 60)
  await until(
    'it is looked up there again',
    async () => (await client.resolve(values[0] as string)).id !== null,
    60,
  )
  assert.equal(logger.messages('error'), [])
}

test('single bytes, either way: everything works as it does', () => {
  const queryTimeoutMs = 20_000
  return withStage(
    async ({ proxy, client, sql, logger }) => {
      proxy.disturb('both', { sliceBytes: 1 })
      const values = fresh(amount(3, 100))
      await allAnswered(client, values, queryTimeoutMs)
      assert.is(await openRows(sql), values.length)
      assert.is((await client.getCacheStats()).total_cached, values.length)
      assert.equal(logger.messages('warn'), [])
    },
    { queryTimeoutMs },
  )
})

test('slow and late, but within the deadline: the database is asked, and not given up', () =>
  withStage(
    async ({ proxy, client, sql, logger }) => {
      proxy.disturb('toServer', { delayMs: 40 })
      proxy.disturb('toClient', { delayMs: 40, bytesPerSecond: 200_000 })
      const values = fresh(amount(50, 300))
      await allAnswered(client, values)
      await until('all is written', async () => (await openRows(sql)) === values.length)
      assert.equal(logger.messages('warn'), [])
    },
    { queryTimeoutMs: 20_000 },
  ))

for (const how of isAtLength ? (['reset', 'close', 'swallow'] as const) : (['reset', 'swallow'] as const)) {
  test(`in the middle of a message, either way (${how}): each lookup is answered in time, and written afterwards`, () =>
    withStage(async (stage) => {
      const { proxy, client, logger } = stage
      const values = fresh(10)
      await allAnswered(client, values)
      let longest = 0
      const cuts = isAtLength ? [1, 40, 300, 1500] : [300]
      for (const direction of isAtLength ? (['toServer', 'toClient'] as const) : (['toClient'] as const)) {
        for (const bytes of cuts) {
          proxy.disturb(direction, { after: { bytes, how } })
          const some = fresh(20)
          longest = Math.max(longest, await allAnswered(client, [...some, ...values.slice(0, 10)]))
          values.push(...some)
          proxy.disturb(direction, undefined)
          await isBack(stage)
        }
      }
      figure(
        `${how} after ${cuts.join(', ')} bytes: the slowest lookup ${longest.toFixed(0)} ms (deadline of a query ${queryTimeoutMs} ms)`,
      )
      const warnings = logger.messages('warn').length
      assert.ok(warnings >= cuts.length, `it has been away ${warnings} times`)
      await isWritten(stage, values)
    }))
}

test('reset again and again while lookups go on: none is lost', () =>
  withStage(async (stage) => {
    const { proxy, client } = stage
    const values: string[] = []
    for (let round = 0; round < amount(3, 20); round += 1) {
      const some = fresh(50)
      const answered = allAnswered(client, some)
      await sleep(Math.random() * 150)
      proxy.reset()
      await answered
      values.push(...some)
    }
    await isWritten(stage, values)
  }))

test('half open, as where a firewall has forgotten them: they are given up, and new ones serve', () =>
  withStage(async (stage) => {
    const { proxy, client } = stage
    const values = fresh(200)
    // As many connections as there may be.
    await Promise.all(Array.from({ length: 10 }, () => client.getCacheStats()))
    await allAnswered(client, values)
    proxy.forget()
    const began = performance.now()
    const some = fresh(20)
    const longest = await allAnswered(client, some)
    values.push(...some)
    await isWritten(stage, values)
    const backMs = performance.now() - began
    assert.ok(backMs < 15_000, `back after ${backMs} ms`)
    figure(
      `half open: the slowest lookup ${longest.toFixed(0)} ms, back after ${(backMs / 1000).toFixed(1)} s`,
    )
  }))

test('taken and ended at once, as by a balancer whose server is down: no lookup waits, and nobody connects without end', () =>
  withSimulator({ limit: { requests: 1_000_000, windowMs: 1000 } }, async (sim) => {
    let connections = 0
    const balancer = createServer((socket) => {
      connections += 1
      socket.end()
    })
    balancer.listen(0, '127.0.0.1')
    await once(balancer, 'listening')
    const { port } = balancer.address() as AddressInfo
    const logger = recordingLogger()
    const options = { dbUrl: `postgres://me@127.0.0.1:${port}/db`, apiUrl: sim.url, apiKey: testKey, logger }
    const client = new OpenFIGIClient({ ...options, rateLimit: '1000/1s' })
    const ms = await allAnswered(client, fresh(20))
    await sleep(1_000)
    await client.close()
    balancer.close()
    assert.ok(ms < 5_000, `the slowest lookup took ${ms} ms`)
    assert.ok(connections < 20, `${connections} connections`)
  }))

test('that swallow everything: every method of the client ends, and says why', () =>
  withStage(async ({ proxy, client }) => {
    const [known = ''] = fresh(1)
    await client.resolve(known)
    proxy.block()
    const longestOf = 2 * queryTimeoutMs + 4_000
    const methods: Record<string, () => Promise<unknown>> = {
      getTickerFromCusip: () => client.getTickerFromCusip(makeCusip(900_001)),
      getTickerFromIsin: () => client.getTickerFromIsin('US0378331005'),
      resolve: () => client.resolve(known),
      'resolve as of': () => client.resolve(known, { asOf: '2021-03-09' }),
      resolveMany: () => Array.fromAsync(client.resolveMany([known, makeCusip(900_002)])),
      getCacheStats: () => client.getCacheStats(),
      clearCache: () => client.clearCache(),
      refreshStaleCacheEntries: () => client.refreshStaleCacheEntries({ wait: true }),
      pendingRequests: () => client.pendingRequests(),
      fetchRequested: () => client.fetchRequested(),
    }
    const refused: string[] = []
    await Promise.all(
      Object.entries(methods).map(async ([name, method]) => {
        const began = performance.now()
        await method().catch((error) => {
          assert.match(String(error), /did not answer within|cannot be reached|given up|is away/, name)
          refused.push(name)
        })
        const ms = performance.now() - began
        assert.ok(ms < longestOf, `${name} took ${ms} ms`)
      }),
    )
    assert.equal(refused.sort(), [
      'clearCache',
      'fetchRequested',
      'getCacheStats',
      'pendingRequests',
      'refreshStaleCacheEntries',
    ])
    await client.getTickerFromCusip(known, { asOf: '2021-03-09' }).then(
      () => assert.unreachable(),
      (error) => assert.instance(error, LookupFailedError),
    )
  }))

test.run()
