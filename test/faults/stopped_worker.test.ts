// takes minutes: each worker is a process that starts, works and ends
import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Installation, type Running, start, withInstallation } from '../cli/pgfigi.ts'
import { amount, isAtLength } from '../support/at_length.ts'
import { figure } from '../support/figure.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { askFor, mappingCount } from '../support/mappings.ts'
import { startDatabaseProxy } from '../support/tcp_proxy.ts'
import { until } from '../support/until.ts'

const test = suite('a worker that is stopped by SIGTERM')

const inputs = Array.from({ length: 1200 }, (_, n) => makeCusip(n))
const limit = { limit: { requests: 25, windowMs: 1200 }, latencyMs: 300 }
const longestSeconds = 30

/** How many wait, how many of these somebody has claimed, and how many are put off. */
async function queueIn(sql: Sql): Promise<{ waiting: number; claimed: number; delayed: number }> {
  const [row] = await sql<[{ waiting: number; claimed: number; delayed: number }]>`
    select
      count(*)::int as waiting,
      count(*) filter (where claimed_by is not null)::int as claimed,
      count(*) filter (where not_before > now())::int as delayed
    from figi_private.fetch_requests`
  return { ...row }
}

function withWorker(
  args: readonly string[],
  work: (stage: Installation & { worker: Running }) => Promise<void>,
): Promise<void> {
  return withInstallation(async (installation) => {
    const worker = start(args, { env: { ...installation.env, OPENFIGI_RATE_LIMIT: '25/1400ms' } })
    try {
      await worker.printed('Ready.')
      await work({ ...installation, worker })
    } finally {
      worker.child.kill('SIGKILL')
    }
  }, limit)
}

/** The exit code, and how long it took. */
async function stop({ child, ended }: Running): Promise<{ code: number | null; seconds: number }> {
  const began = performance.now()
  child.kill('SIGTERM')
  const tooLong = setTimeout(() => child.kill('SIGKILL'), 2 * longestSeconds * 1000)
  const { code, stderr } = await ended
  clearTimeout(tooLong)
  const seconds = (performance.now() - began) / 1000
  assert.ok(seconds < longestSeconds, `${seconds} s`)
  assert.equal(
    stderr.split('\n').filter((line) => /ended unexpectedly|Something unexpected/.test(line)),
    [],
  )
  return { code, seconds }
}

for (const args of [['worker'], ['start', '--no-page']]) {
  test(`pgfigi ${args[0]}: what is under way is recorded, the rest given back, nothing lost and nothing asked twice`, () =>
    withWorker(args, async ({ sql, openfigi, worker, env }) => {
      await askFor(sql, inputs)
      await until('some are resolved', async () => (await mappingCount(sql)) > 100 + Math.random() * 400)
      const { code, seconds } = await stop(worker)
      assert.is(code, 0)
      figure(`pgfigi ${args[0]} ended after ${seconds.toFixed(1)} s`)
      const { waiting, claimed } = await queueIn(sql)
      assert.is(claimed, 0)
      assert.is(waiting + (await mappingCount(sql)), inputs.length, 'each is resolved or waits')
      assert.is((await sql`select from figi_private.processes`).length, 0)

      if (args[0] === 'start') return
      const next = start(['refresh', '--wait'], { env: { ...env, OPENFIGI_RATE_LIMIT: '25/1400ms' } })
      assert.is((await next.ended).code, 0)
      assert.is(await mappingCount(sql), inputs.length)
      const asked = openfigi.filteredRequests().flatMap(({ jobs }) => jobs.map(({ idValue }) => idValue))
      assert.is(asked.length, new Set(asked).size, 'what was under way has been recorded')
    }))
}

test('while OpenFIGI does not answer: its claims are given back; at the second signal it ends at once', () =>
  withWorker(['worker'], async ({ sql, openfigi, worker, env }) => {
    openfigi.fail({ kind: 'hang', times: Number.POSITIVE_INFINITY })
    await askFor(sql, inputs.slice(0, 150))
    await until('a request hangs', () => openfigi.log.length > 0)
    assert.is((await stop(worker)).code, 0)
    assert.equal(await queueIn(sql), { waiting: 150, claimed: 0, delayed: 0 })

    const another = start(['worker'], { env: { ...env, OPENFIGI_RATE_LIMIT: '25/1400ms' } })
    const before = openfigi.log.length
    await until('a request hangs again', () => openfigi.log.length > before)
    another.child.kill('SIGTERM')
    await sleep(1200) // sooner it would count as the same
    const { code, seconds } = await stop(another)
    assert.is(code, 143)
    assert.ok(seconds < 2, `${seconds} s`)
    assert.is((await queueIn(sql)).waiting, 150)
  }))

for (const how of ['refuses connections', ...(isAtLength ? ['swallows everything'] : [])]) {
  test(`while the database ${how}: it ends, and nothing is lost`, () =>
    withInstallation(async ({ sql, url, openfigi, env }) => {
      await using proxy = await startDatabaseProxy(url)
      const worker = start(['worker'], {
        env: { ...env, DATABASE_URL: proxy.urlOf(url), OPENFIGI_RATE_LIMIT: '25/1400ms' },
      })
      try {
        await worker.printed('Ready.')
        await askFor(sql, inputs)
        await until('some are under way', () => openfigi.log.length > 4)
        if (how === 'swallows everything') proxy.block()
        else await proxy[Symbol.asyncDispose]()
        await sleep(amount(500, 3000))
        const { code, seconds } = await stop(worker)
        assert.is(code, 0)
        figure(`with a database that ${how} ended after ${seconds.toFixed(1)} s`)
        proxy.unblock()
        const { waiting } = await queueIn(sql)
        assert.ok(waiting + (await mappingCount(sql)) >= inputs.length)
      } finally {
        worker.child.kill('SIGKILL')
      }
    }, limit))
}

test('while it starts: it ends, whatever it has begun', () =>
  withInstallation(async ({ sql, env }) => {
    await askFor(sql, inputs.slice(0, 50))
    const moments = amount(3, 15)
    await Promise.all(
      Array.from({ length: moments }, async (_, n) => {
        await sleep(n * 40)
        const worker = start(n % 2 === 0 ? ['worker'] : ['start', '--no-page'], { env })
        await sleep((n + 1) * (2400 / moments))
        const { code } = await stop(worker)
        // null: before it could hear of signals.
        assert.ok([0, 143, null].includes(code), String(code))
      }),
    )
    await until('what dying sessions do is done', async () => (await queueIn(sql)).claimed === 0, 10)
    assert.is((await sql`select from figi_private.processes`).length, 0)
  }, limit))

test.run()
