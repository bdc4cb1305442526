// runs alone: several processes on few cores
import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { OpenFIGIClient } from '../../src/index.ts'
import { amount } from '../support/at_length.ts'
import { testKey } from '../support/canaries.ts'
import { forkProgram } from '../support/child.ts'
import { withDatabase } from '../support/database.ts'
import { figure } from '../support/figure.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { askFor, mappingCount } from '../support/mappings.ts'
import { type Simulator, withSimulator } from '../support/openfigi_simulator.ts'
import { until } from '../support/until.ts'

const test = suite('a worker that is killed')

/** Of those that are killed: what they have claimed is free again so soon. Whoever lives may stand still for longer than that. */
const leaseMs = 3000
const longLeaseMs = 60_000
const kills = amount(2, 15)
/** Longer than the window below by what a request may take from its leave to its arrival while a process stands still. */
const rateLimit = '25/2000ms'
const inputs = Array.from({ length: amount(1500, 10_000) }, (_, n) => makeCusip(n))

const startWorker = (url: string, sim: Simulator, lease = leaseMs) =>
  forkProgram(
    'worker_process.ts',
    { leaseMs: lease },
    {
      DATABASE_URL: url,
      OPENFIGI_API_URL: sim.url,
      OPENFIGI_API_KEY: testKey,
      OPENFIGI_RATE_LIMIT: rateLimit,
    },
  )

/** What is known in the end, without what differs from one run to the next. */
const rowsIn = async (sql: Sql) => [
  ...(await sql`
    select
      identifier_type, identifier_value, ticker, has_no_results, figi, composite_figi, share_class_figi, name, exch_code,
      security_type, security_type2, market_sector, source, alternatives
    from public.security_mappings
    order by identifier_type, identifier_value, start_date`),
]

async function rowsOfUndisturbedRun(sim: Simulator): Promise<unknown[]> {
  return withDatabase(async ({ sql, url }) => {
    await using client = new OpenFIGIClient({
      dbUrl: url,
      apiUrl: sim.url,
      apiKey: testKey,
      rateLimit,
    })
    await Promise.all(inputs.map((value) => client.resolve(value)))
    return rowsIn(sql)
  })
}

/** How often each identifier was asked for in one kind of request. */
function timesAsked(sim: Simulator, filtered: boolean): Map<string, number> {
  const times = new Map<string, number>()
  for (const entry of sim.log) {
    if (entry.filtered !== filtered) continue
    for (const { idValue } of entry.jobs) times.set(String(idValue), (times.get(String(idValue)) ?? 0) + 1)
  }
  return times
}

test('again and again: the next one resolves all that is left, to the same rows, and asks again only for what was in flight', () =>
  withSimulator({ limit: { requests: 25, windowMs: 1200 }, latencyMs: 300 }, (sim) =>
    withDatabase(async ({ sql, url }) => {
      await askFor(sql, inputs)
      /** How many of the killed had claimed it. */
      const inFlight = new Map<string, number>()
      for (let kill = 0; kill < kills; kill += 1) {
        await using worker = await startWorker(url, sim)
        const before = sim.log.length
        const enough = before + 1 + Math.floor((Math.random() * inputs.length) / 100 / (kills + 1))
        await until(
          'it is at work',
          async () => sim.log.length > enough || (await mappingCount(sql)) === inputs.length,
        )
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 400))
        await worker.end('SIGKILL')
        const claimed = await sql<{ value: string }[]>`
          select distinct identifier_value as value from figi_private.fetch_requests where claimed_by is not null`
        for (const { value } of claimed) inFlight.set(value, (inFlight.get(value) ?? 0) + 1)
      }
      const left = inputs.length - (await mappingCount(sql))
      const killedAt = performance.now()
      await using last = await startWorker(url, sim, longLeaseMs)
      await until('all are resolved', async () => (await mappingCount(sql)) === inputs.length, 100)
      const seconds = ((performance.now() - killedAt) / 1000).toFixed(1)
      figure(
        `${kills} kills, ${inFlight.size} identifiers in flight; the ${left} left resolved within ${seconds} s`,
      )
      assert.is(await last.end('SIGTERM'), 0, last.output())
      assert.is((await sql`select from figi_private.fetch_requests`).length, 0)

      for (const filtered of [true, false]) {
        const tooOften = [...timesAsked(sim, filtered)].filter(
          ([value, times]) => times > 1 + (inFlight.get(value) ?? 0),
        )
        assert.equal(tooOften, [])
      }
      assert.not.ok(sim.countByStatus()['429'])
      assert.equal(await rowsIn(sql), await rowsOfUndisturbedRun(sim))
    }),
  ))

test.run()
