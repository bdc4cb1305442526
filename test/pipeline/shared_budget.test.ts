import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import { connect } from '../../src/database/connect.ts'
import { budgetName, createSharedBudget } from '../../src/database/shared_budget.ts'
import { silentLogger } from '../../src/log.ts'
import { createFetcher } from '../../src/pipeline/create_fetcher.ts'
import { testKey } from '../support/canaries.ts'
import { type Child, forkProgram } from '../support/child.ts'
import { withDatabase } from '../support/database.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { withSimulator } from '../support/openfigi_simulator.ts'
import { startDatabaseProxy } from '../support/tcp_proxy.ts'

const test = suite('the budget that processes share')

/** The most of the times that lie in any stretch of so many milliseconds. */
function mostWithin(times: readonly number[], milliseconds: number): number {
  const sorted = times.toSorted((a, b) => a - b)
  let first = 0
  return Math.max(
    ...sorted.map((time, last) => {
      while (time - (sorted[first] ?? time) >= milliseconds) first += 1
      return last - first + 1
    }),
  )
}

test('holds over four processes that want as much as they can get, one on a slow connection to the database', () =>
  withDatabase(async ({ url }) => {
    const limit = { capacity: 10, windowMs: 2100 }
    await using stack = new AsyncDisposableStack()
    const slow = stack.use(await startDatabaseProxy(url))
    slow.disturb('both', { delayMs: 700 })
    const start = async (url: string) =>
      stack.use(await forkProgram('budget_process.ts', { url, name: 'shared', limit }))
    const [slowOne, ...others] = await Promise.all([
      start(slow.urlOf(url)),
      start(url),
      start(url),
      start(url),
    ])
    const take = (child: Child) => child.ask<{ times: number[] }>({ acquire: 10 })
    // The slow one first: it hears of what it has reserved when the others are about to have the next window.
    const late = take(slowOne)
    await sleep(5300)
    const answers = await Promise.all([late, ...others.map(take)])
    const times = answers.flatMap((answer) => answer.times)
    assert.is(times.length, 40)
    const most = mostWithin(times, (limit.windowMs * 6) / 7)
    console.log(
      `\n    40 slots in ${Math.round(Math.max(...times) - Math.min(...times))} ms (at least ${3 * limit.windowMs}), ${most} within 1800 ms`,
    )
    assert.ok(most <= limit.capacity, `${most} within the window of the server`)
    await Promise.all([slowOne, ...others].map((child) => child.end('SIGTERM')))
  }))

test('gives a slot up that it hears of late, as after the process was stopped', () =>
  withDatabase(async ({ sql, url }) => {
    const pool = connect(url)
    let lateMs = 0
    const late = ((...given: Parameters<typeof pool>) => {
      const waitMs = lateMs
      lateMs = 0
      return pool(...given).then(async (rows) => {
        await sleep(waitMs)
        return rows
      })
    }) as unknown as typeof pool
    try {
      const budget = createSharedBudget(late, { name: 'late', limit: { capacity: 5, windowMs: 7000 } })
      await budget.acquire()
      lateMs = 2500
      await Promise.all([budget.acquire(), budget.acquire()])
      const [row] = await sql<{ age: number; slots: number }[]>`
        select
          extract(epoch from clock_timestamp() - sent_at[cardinality(sent_at) - 1])::float8 as age,
          cardinality(sent_at)::int as slots
        from figi_private.api_budgets where budget = 'late'`
      assert.is(row?.slots, 5, 'two were given up')
      assert.ok((row?.age ?? 9) < 2, `slots of ${row?.age} s ago are used`)
    } finally {
      await pool.end()
    }
  }))

test('is blocked for all by one, those who wait included', () =>
  withDatabase(async ({ url }) => {
    const limit = { capacity: 2, windowMs: 2900 }
    const [one, other] = [connect(url), connect(url)]
    try {
      const budgets = [one, other].map((sql) => createSharedBudget(sql, { name: 'blocked', limit }))
      const [first, second] = budgets as [(typeof budgets)[0], (typeof budgets)[0]]
      await Promise.all([first.acquire(), second.acquire()])
      assert.is(await second.openSlots(), 0)
      const waiting = second.acquire()
      await sleep(50)
      const blockedAt = performance.now()
      await first.block(3900)
      await first.block(10)
      await waiting
      assert.ok(performance.now() - blockedAt > 3850)
    } finally {
      await Promise.all([one.end(), other.end()])
    }
  }))

test('gives up its waiting when it is told to', () =>
  withDatabase(async ({ sql }) => {
    const budget = createSharedBudget(sql, { name: 'abort', limit: { capacity: 1, windowMs: 60_000 } })
    await budget.acquire()
    const controller = new AbortController()
    const waiting = budget.acquire(controller.signal)
    setTimeout(() => controller.abort(new Error('enough')), 100)
    await waiting.then(
      () => assert.unreachable(),
      (error) => assert.is(error.message, 'enough'),
    )
  }))

test('is named by address and key without telling the key', () => {
  const url = new URL('https://api.openfigi.com')
  const names = [
    budgetName(url, undefined),
    budgetName(url, 'canary-key-1'),
    budgetName(url, 'canary-key-2'),
    budgetName(new URL('http://127.0.0.1:8080'), 'canary-key-1'),
    budgetName(new URL('http://127.0.0.1:8080'), undefined),
  ]
  assert.is(new Set(names).size, 5)
  assert.ok(names.every((name) => !name.includes('canary')))
  assert.is(budgetName(new URL('https://api.openfigi.com/'), 'canary-key-1'), names[1])
})

test('waits for somebody else who uses the key: 429 blocks everybody, and nothing is lost', () =>
  withSimulator({ limit: { requests: 5, windowMs: 1500 }, latencyMs: 20 }, (sim) =>
    withDatabase(async ({ sql, url }) => {
      // A machine that sends fewer than five in a window would meet none.
      sim.fail({ status: 429, times: 2, retryAfter: 1 })
      const config = parseConfig({
        DATABASE_URL: url,
        OPENFIGI_API_URL: sim.url,
        OPENFIGI_API_KEY: testKey,
        OPENFIGI_RATE_LIMIT: '25/1400ms',
      })
      const values = Array.from({ length: 1200 }, (_, n) => makeCusip(n))
      await sql`select from public.resolve_mappings('CUSIP', ${values})`
      const pools = [connect(url), connect(url)]
      const fetchers = pools.map((own) => createFetcher(config, { sql: own, logger: silentLogger }))
      try {
        await Promise.all(fetchers.map((fetcher) => fetcher.drain()))
        const [row] = await sql<
          { count: number }[]
        >`select count(*)::int as count from public.security_mappings`
        assert.is(row?.count, values.length)
        const refused = sim.log.filter((entry) => entry.status === 429)
        assert.ok(refused.length > 0)
        // Without the block, each of those refused would have come again at once.
        assert.ok(refused.length < sim.log.length * 0.75, JSON.stringify(sim.countByStatus()))
        console.log(`\n    ${JSON.stringify(sim.countByStatus())}`)
      } finally {
        await Promise.all(fetchers.map((fetcher) => fetcher.close()))
        await Promise.all(pools.map((own) => own.end()))
      }
    }),
  ))

test.run()
