// takes minutes: OpenFIGI's window at its real length, several times over
// runs alone: nine processes on few cores
import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { testKey } from '../support/canaries.ts'
import { type Child, forkProgram } from '../support/child.ts'
import { clockOff } from '../support/clock.ts'
import { withDatabase } from '../support/database.ts'
import { figure } from '../support/figure.ts'
import { makeCusips } from '../support/identifiers_maker.ts'
import { askFor, mappingCount } from '../support/mappings.ts'
import { type Simulator, withSimulator } from '../support/openfigi_simulator.ts'
import { startDatabaseProxy } from '../support/tcp_proxy.ts'

const test = suite('the limit of OpenFIGI at its real length')

const processes = 8
const allowed = { requests: 25, windowMs: 6000 }

interface Stage {
  readonly sim: Simulator
  readonly sql: Sql
  readonly workers: Child[]
  start(how?: 'slow' | 'wrong clock'): Promise<void>
}

/** Workers with small requests, so that a few thousand identifiers last for many windows. */
async function staged(run: (stage: Stage) => Promise<void>): Promise<void> {
  await withSimulator({ limit: allowed, latencyMs: 150 }, (sim) =>
    withDatabase(async ({ sql, url }) => {
      await using stack = new AsyncDisposableStack()
      const slow = stack.use(await startDatabaseProxy(url))
      const workers: Child[] = []
      const start: Stage['start'] = async (how) => {
        const environment = {
          DATABASE_URL: how === 'slow' ? slow.urlOf(url) : url,
          OPENFIGI_API_URL: sim.url,
          OPENFIGI_API_KEY: testKey,
          OPENFIGI_JOBS_PER_REQUEST: '10',
          PGFIGI_MAX_CONNECTIONS: '4',
          // A worker whose clock is ten minutes off or more does not start.
          ...(how === 'wrong clock' ? clockOff({ offsetMs: 540_000 }) : {}),
        }
        workers.push(stack.use(await forkProgram('worker_process.ts', { leaseMs: 6000 }, environment)))
        if (how === 'slow') slow.disturb('both', { delayMs: 1500 })
      }
      await run({ sim, sql, workers, start })
    }),
  )
}

test('is never exceeded by eight workers, one far from the database, one with a wrong clock, and two killed', () =>
  staged(async ({ sim, sql, workers, start }) => {
    const hows = ['slow', 'wrong clock'] as const
    await Promise.all(Array.from({ length: processes }, (_, n) => start(hows[n])))
    const began = performance.now()
    await askFor(sql, makeCusips(0, 1200))
    for (let kill = 0; kill < 2; kill += 1) {
      await sleep(6000 + Math.random() * 6000)
      // The slow one and that with the wrong clock stay.
      const [victim] = workers.splice(2 + Math.floor(Math.random() * (workers.length - 2)), 1)
      await victim?.end('SIGKILL')
      await start()
    }
    while ((await mappingCount(sql)) < 1200 && performance.now() - began < 80_000) await sleep(250)
    const seconds = (performance.now() - began) / 1000
    assert.is(await mappingCount(sql), 1200)
    assert.equal(sim.countByStatus()[429] ?? 0, 0)
    const most = sim.maxInWindow(allowed.windowMs)
    figure(
      `${sim.log.length} requests of ${processes} processes in ${seconds.toFixed(0)} s, none refused; at most ${most} within 6 s (25 allowed)`,
    )
    assert.ok(most <= allowed.requests, `${most} within 6 s`)
    await Promise.all(workers.map((worker) => worker.end('SIGKILL')))
  }))

test('is shared with a tool that knows nothing of it: 429 blocks all, who go on when its window has ended', () =>
  staged(async ({ sim, sql, workers, start }) => {
    await Promise.all(Array.from({ length: 3 }, () => start()))
    await askFor(sql, makeCusips(0, 500))
    const began = performance.now()
    const outsider = async () => {
      const response = await fetch(`${sim.url}/v3/mapping`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-openfigi-apikey': testKey },
        body: JSON.stringify([{ idType: 'ID_CUSIP', idValue: '037833100' }]),
      })
      await response.text()
    }
    for (let round = 0; round < 40; round += 1) {
      await Promise.all([outsider(), outsider()])
      await sleep(300)
    }
    while ((await mappingCount(sql)) < 500 && performance.now() - began < 60_000) await sleep(250)
    assert.is(await mappingCount(sql), 500)
    // The server's own windows: each begins with the first request after the last one.
    let window = { start: Number.NEGATIVE_INFINITY, refusedAt: 0 }
    let refused = 0
    for (const { at, status, jobCount } of sim.log.toSorted((a, b) => a.at - b.at)) {
      if (at - window.start >= allowed.windowMs) window = { start: at, refusedAt: 0 }
      if (status !== 429 || jobCount === 1) continue
      refused += 1
      window.refusedAt ||= at
      // Those under way when the first was refused; after it nobody asks before the window has ended.
      const after = Math.round(at - window.refusedAt)
      assert.ok(after < 2500, `refused again in the same window, ${after} ms later`)
    }
    assert.ok(refused > 0, 'the outsider took nothing away')
    figure(
      `an outsider sent 80 requests: ${refused} of ours were refused, within moments of each other; all known ${((performance.now() - began) / 1000).toFixed(0)} s after the start`,
    )
    await Promise.all(workers.map((worker) => worker.end('SIGKILL')))
  }))

test.run()
