// runs alone: several processes on few cores
import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { testKey } from '../support/canaries.ts'
import { type Child, forkProgram } from '../support/child.ts'
import { withDatabase } from '../support/database.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { type Simulator, withSimulator } from '../support/openfigi_simulator.ts'
import { until } from '../support/until.ts'

const test = suite('a worker that ends in the middle')

const leaseMs = 3000

function startWorkerProcess(url: string, sim: Simulator): Promise<Child> {
  const environment = {
    DATABASE_URL: url,
    OPENFIGI_API_URL: sim.url,
    OPENFIGI_API_KEY: testKey,
    OPENFIGI_RATE_LIMIT: '25/1400ms',
  }
  return forkProgram('worker_process.ts', { leaseMs }, environment)
}

/** As an analyst does it: one statement in SQL. */
async function askFor(sql: Sql, values: readonly string[]): Promise<number> {
  const [row] = await sql<{ missed: number }[]>`
    select count(*) filter (where r.status = 'miss')::int as missed
    from public.resolve_mappings('CUSIP', ${values as string[]}) as r`
  return row?.missed ?? 0
}

async function resolvedCount(sql: Sql): Promise<number> {
  const [row] = await sql<{ count: number }[]>`select count(*)::int as count from public.security_mappings`
  return row?.count ?? 0
}

/** How often each identifier was asked for in one kind of request. */
function timesAsked(sim: Simulator, filtered: boolean): Map<string, number> {
  const times = new Map<string, number>()
  for (const entry of sim.log) {
    if (entry.filtered !== filtered) continue
    for (const job of entry.jobs) times.set(String(job.idValue), (times.get(String(job.idValue)) ?? 0) + 1)
  }
  return times
}

const twice = (times: Map<string, number>) =>
  [...times].filter(([, count]) => count > 1).map(([value]) => value)

const inputs = Array.from({ length: 2000 }, (_, n) => makeCusip(n))
const limit = { limit: { requests: 25, windowMs: 1200 }, latencyMs: 300 }

test('by SIGKILL: the next one resolves everything, and asks twice only for what was in flight', () =>
  withSimulator(limit, (sim) =>
    withDatabase(async ({ sql, url }) => {
      await using first = await startWorkerProcess(url, sim)
      assert.is(await askFor(sql, inputs), 2000)
      await until('some are resolved', async () => (await resolvedCount(sql)) > 300)
      await first.end('SIGKILL')
      const killedAt = performance.now()
      const inFlight = await sql<{ value: string }[]>`
        select distinct identifier_value as value from figi_private.fetch_requests where claimed_by is not null`
      const done = await resolvedCount(sql)

      await using second = await startWorkerProcess(url, sim)
      const startedAt = performance.now()
      await until('all are resolved', async () => (await resolvedCount(sql)) === 2000)
      console.log(
        `\n    killed with ${done} of 2000 resolved and ${inFlight.length} claimed; all ${((performance.now() - killedAt) / 1000).toFixed(1)} s after the kill, ${((performance.now() - startedAt) / 1000).toFixed(1)} s after the next one started (lease ${leaseMs / 1000} s)`,
      )
      const claimed = new Set(inFlight.map(({ value }) => value))
      for (const filtered of [true, false]) {
        assert.equal(
          twice(timesAsked(sim, filtered)).filter((value) => !claimed.has(value)),
          [],
        )
      }
      assert.equal(
        Object.keys(sim.countByStatus()).filter((status) => status === '429'),
        [],
      )
      await second.end('SIGTERM')
      const left = await sql`select from figi_private.fetch_requests`
      assert.is(left.length, 0)
    }),
  ))

test('by SIGTERM: it ends soon, gives back what it has claimed, and loses nothing', () =>
  withSimulator(limit, (sim) =>
    withDatabase(async ({ sql, url }) => {
      await using first = await startWorkerProcess(url, sim)
      await askFor(sql, inputs)
      await until('some are resolved', async () => (await resolvedCount(sql)) > 300)
      const asked = performance.now()
      assert.is(await first.end('SIGTERM'), 0, first.output())
      console.log(`\n    ended ${((performance.now() - asked) / 1000).toFixed(1)} s after SIGTERM`)
      assert.ok(performance.now() - asked < 30_000)
      const claimed = await sql`select from figi_private.fetch_requests where claimed_by is not null`
      assert.is(claimed.length, 0)

      await using second = await startWorkerProcess(url, sim)
      await until('all are resolved', async () => (await resolvedCount(sql)) === 2000)
      assert.equal(twice(timesAsked(sim, true)), [], 'what was under way has been recorded')
      await second.end('SIGTERM')
    }),
  ))

test('by SIGTERM, while it waits for an answer that does not come: gives its claims back within seconds', () =>
  withSimulator(limit, (sim) =>
    withDatabase(async ({ sql, url }) => {
      await using worker = await startWorkerProcess(url, sim)
      sim.fail({ kind: 'hang', times: Number.POSITIVE_INFINITY })
      await askFor(sql, inputs.slice(0, 150))
      await until('a request hangs', async () => sim.log.length > 0)
      const asked = performance.now()
      assert.is(await worker.end('SIGTERM'), 0, worker.output())
      assert.ok(performance.now() - asked < 30_000)
      const rows = await sql<{ claimed: number; waiting: number; delayed: number }[]>`
        select
          count(*) filter (where claimed_by is not null)::int as claimed,
          count(*)::int as waiting,
          count(*) filter (where not_before > now())::int as delayed
        from figi_private.fetch_requests`
      assert.equal({ ...rows[0] }, { claimed: 0, waiting: 150, delayed: 0 })
    }),
  ))

test.run()
