// runs alone: it counts what arrives within a second
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import { OpenFIGIClient } from '../../src/index.ts'
import { silentLogger } from '../../src/log.ts'
import { startWorker } from '../../src/worker/run.ts'
import { testKey } from '../support/canaries.ts'
import { withDatabase } from '../support/database.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { type Simulator, withSimulator } from '../support/openfigi_simulator.ts'
import { until } from '../support/until.ts'

const test = suite('5,000 cold identifiers at 25 requests in 1.4 s')

const inputs = Array.from({ length: 5000 }, (_, n) => makeCusip(n))
const rateLimit = '25/1400ms'
const windowMs = 1400
const latencyMs = 300
/** Half of ours, for a machine that is late: test/faults/limit.test.ts tries the limit in its real length. */
const simulator = { limit: { requests: 25, windowMs: 700 }, latencyMs }

function checkRequests(sim: Simulator, tookMs: number): void {
  const filtered = sim.filteredRequests()
  const unfiltered = sim.log.filter((entry) => !entry.filtered)
  const again = unfiltered.reduce((sum, entry) => sum + entry.jobCount, 0)
  const leastMs = Math.floor((sim.log.length - 1) / 25) * windowMs + latencyMs
  console.log(
    `\n    ${sim.log.length} requests (${filtered.length} filtered, ${unfiltered.length} unfiltered for ${again}) in ${Math.round(tookMs)} ms, least ${leastMs} ms: ${(tookMs / leastMs).toFixed(2)}; ${sim.maxInWindow(simulator.limit.windowMs)} within 700 ms`,
  )
  assert.equal(sim.countByStatus(), { 200: sim.log.length }, 'no 429')
  assert.ok(sim.maxInWindow(simulator.limit.windowMs) <= 25)
  assert.is(filtered.length, 50)
  assert.ok(filtered.every((entry) => entry.jobCount === 100))
  assert.is(unfiltered.length, Math.ceil(again / 100))
}

test('by the client', () =>
  withSimulator(simulator, (sim) =>
    withDatabase(async ({ url }) => {
      await using client = new OpenFIGIClient({
        dbUrl: url,
        apiUrl: sim.url,
        apiKey: testKey,
        rateLimit,
        logger: silentLogger,
      })
      await client.resolve('connect')
      await client.getCacheStats()
      const began = performance.now()
      let answered = 0
      for await (const { status } of client.resolveMany(inputs))
        if (status === 'hit' || status === 'negative') answered += 1
      const tookMs = performance.now() - began
      assert.is(answered, 5000)
      checkRequests(sim, tookMs)
    }),
  ))

test('by a worker, for one statement in SQL', () =>
  withSimulator(simulator, (sim) =>
    withDatabase(async ({ sql, url }) => {
      const environment = {
        OPENFIGI_API_URL: sim.url,
        OPENFIGI_API_KEY: testKey,
        OPENFIGI_RATE_LIMIT: rateLimit,
      }
      const worker = await startWorker(parseConfig(environment), url, silentLogger)
      try {
        const began = performance.now()
        await sql`select from public.resolve_mappings('CUSIP', ${inputs})`
        const known = async () =>
          (await sql`select count(*)::int as count from public.security_mappings`)[0]?.count
        await until('all are known', async () => (await known()) === 5000)
        checkRequests(sim, performance.now() - began)
      } finally {
        await worker.stop()
      }
    }),
  ))

test.run()
