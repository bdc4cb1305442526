// takes minutes: the database is away for one
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { OpenFIGIClient } from '../../src/index.ts'
import { type Ended, run } from '../cli/pgfigi.ts'
import { amount } from '../support/at_length.ts'
import { testKey } from '../support/canaries.ts'
import { figure } from '../support/figure.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { type Simulator, withSimulator } from '../support/openfigi_simulator.ts'
import { withOwnCluster } from '../support/own_cluster.ts'
import { recordingLogger } from '../support/recording_logger.ts'
import { startDatabaseProxy } from '../support/tcp_proxy.ts'
import { until } from '../support/until.ts'

const test = suite('a database that is away for a minute')

/** The default of a query, and of what comes after it on a busy machine. */
const deadlineMs = 10_000
const longestMs = deadlineMs + 5_000
/** A command begins, asks, gives up, asks OpenFIGI and ends. */
const longestCommandMs = 2 * deadlineMs + 20_000

/** Looks up for so long, twenty times a second: the slowest, in milliseconds. Each is answered. */
async function lookUp(client: OpenFIGIClient, seconds: number, values: string[]): Promise<number> {
  let slowest = 0
  const under: Promise<void>[] = []
  for (const end = performance.now() + seconds * 1000; performance.now() < end; await sleep(50)) {
    const value = makeCusip(values.length)
    values.push(value)
    const began = performance.now()
    const isAnswered = client.resolve(value).then(({ status, error }) => {
      slowest = Math.max(slowest, performance.now() - began)
      assert.ok(status === 'hit' || status === 'negative', `${value}: ${status} ${error}`)
    })
    under.push(isAnswered)
  }
  await Promise.all(under)
  assert.ok(slowest < longestMs, `the slowest lookup took ${slowest} ms`)
  return slowest
}

/** The commands that look up: how each ended, and after how long. */
async function lookingUp(sim: Simulator, url: string) {
  const holdings = join(tmpdir(), 'holdings.csv')
  await writeFile(holdings, `cusip\n${makeCusip(500_000)}\n`)
  const env = { DATABASE_URL: url, OPENFIGI_API_URL: sim.url, OPENFIGI_API_KEY: testKey }
  const lines: Record<string, string[]> = {
    resolve: ['resolve', makeCusip(500_001)],
    'resolve --as-of': ['resolve', '--as-of', '2021-03-09', makeCusip(500_001)],
    history: ['history', makeCusip(1)],
    enrich: ['enrich', holdings],
    health: ['health'],
  }
  const ended: Record<string, Ended & { ms: number }> = {}
  await Promise.all(
    Object.entries(lines).map(async ([name, args]) => {
      const began = performance.now()
      ended[name] = { ...(await run(args, { env })), ms: performance.now() - began }
    }),
  )
  return ended
}

test('is done without: each lookup is answered in time, and all is written afterwards', () =>
  withSimulator({ limit: { requests: 1_000_000, windowMs: 1000 }, latencyMs: 50 }, (sim) =>
    withOwnCluster(async (cluster) => {
      await using proxy = await startDatabaseProxy(cluster.url)
      const url = proxy.urlOf(cluster.url)
      const logger = recordingLogger()
      const client = new OpenFIGIClient({
        dbUrl: url,
        apiUrl: sim.url,
        apiKey: testKey,
        rateLimit: '1000/1s',
        logger,
      })
      const values: string[] = []
      await lookUp(client, 2, values)

      proxy.block()
      const inHole = lookingUp(sim, url)
      const swallowedMs = await lookUp(client, amount(20, 60), values)
      for (const [name, { ms, code, stdout, stderr }] of Object.entries(await inHole)) {
        assert.ok(ms < longestCommandMs, `pgfigi ${name} took ${ms} ms`)
        assert.is(code, name === 'resolve' ? 0 : 1, `${name}: ${stdout}${stderr}`)
        assert.match(`${stdout}${stderr}`, name === 'resolve' ? /\t/ : /database|history/i, name)
      }
      const slowest = Math.max(...Object.values(await inHole).map(({ ms }) => ms))
      figure(
        `swallowed: the slowest lookup ${(swallowedMs / 1000).toFixed(1)} s, the slowest command ${(slowest / 1000).toFixed(1)} s`,
      )
      proxy.unblock()
      const returns = () => logger.messages('info').filter((text) => text === 'The database is back').length
      const unblockedMs = await until('it is back', () => returns() === 1)
      await lookUp(client, 2, values)

      await cluster.stop()
      const refusedMs = await lookUp(client, amount(10, 60), values)
      await cluster.start()
      const backMs = await until('it is back', () => returns() === 2)
      const sql = postgres(cluster.url, { max: 1, onnotice: () => {} })
      try {
        const written = async () =>
          (await sql`select from public.security_mappings where end_date is null`).length
        await until('all is written', async () => (await written()) >= values.length)
        figure(`answered again ${(unblockedMs / 1000).toFixed(1)} s after the hole`)
        figure(
          `stopped: the slowest lookup ${refusedMs.toFixed(0)} ms, back ${(backMs / 1000).toFixed(1)} s after the start; ${values.length} lookups, all written`,
        )
      } finally {
        await sql.end()
      }
      assert.equal(logger.messages('error'), [])
      await client.close()
    }),
  ))

test.run()
