import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import { counters } from '../../src/counting/counters.ts'
import type { Resolution } from '../../src/index.ts'
import { startWorker } from '../../src/worker/run.ts'
import { type Visit, withPage } from '../http/pages.ts'
import { testKey } from '../support/canaries.ts'
import { forkProgram } from '../support/child.ts'
import { type ClientStage, withClients } from '../support/client_stage.ts'
import { counted, countedLookups, sum } from '../support/counted.ts'
import { withDatabase } from '../support/database.ts'
import { makeCusip, makeCusips } from '../support/identifiers_maker.ts'
import { latestMigration } from '../support/latest_migration.ts'
import { type Simulator, withSimulator } from '../support/openfigi_simulator.ts'
import type { RecordingLogger } from '../support/recording_logger.ts'
import { scraped } from '../support/scraped.ts'
import { until } from '../support/until.ts'

const test = suite('what is counted')

/** As /metrics calls what is counted. */
const counterNames = Object.keys(counters).map(
  (name) => `pgfigi_${name.replace('milliseconds', 'seconds')}_total`,
)

/** As the counter says it. */
function requestsOf(sim: Simulator): Record<string, number> {
  const { unanswered, ...byStatus } = sim.countByStatus()
  return unanswered === undefined ? byStatus : { ...byStatus, none: unanswered }
}

/** What OpenFIGI answers with errors would be asked for again and again, for 40 seconds: it is taken away. */
async function isDone(sql: Sql): Promise<boolean> {
  await sql`delete from figi_private.fetch_requests where attempts > 0 and claimed_by is null`
  const [row] = await sql<
    [{ waiting: number }]
  >`select count(*)::int as waiting from figi_private.fetch_requests`
  return row.waiting === 0
}

/** What came of each identifier that was sent, where an answer came at all. */
function answersOf(sim: Simulator): Record<'listing' | 'nothing' | 'error', number> {
  const { found, warnings, errors } = sim.summary()
  // Down to this one a request was cut to find the bad identifier.
  const bad = sim.log.filter(({ status, jobCount }) => status === 400 && jobCount === 1)
  return { listing: found, nothing: warnings, error: errors + bad.length }
}

/** Looks at /metrics again and again: no counter falls, and none is ahead of what happened. */
class Scraper {
  readonly #page: Visit
  readonly #sim: Simulator
  readonly #asked: () => number
  readonly #givenUp: () => number
  readonly #stop = new AbortController()
  readonly #looking: Promise<void>
  /** How many requests each look has seen. */
  readonly totals: number[] = []

  constructor(page: Visit, sim: Simulator, asked: () => number, givenUp: () => number) {
    this.#page = page
    this.#sim = sim
    this.#asked = asked
    this.#givenUp = givenUp
    this.#looking = this.#look()
    this.#looking.catch(() => {})
  }

  async end(): Promise<void> {
    this.#stop.abort()
    await this.#looking
  }

  async #look(): Promise<void> {
    const before = new Map<string, number>()
    while (!this.#stop.signal.aborted) {
      const { status, text } = await this.#page.ask('/metrics')
      assert.is(status, 200)
      for (const counter of counterNames) {
        for (const [labels, value] of Object.entries(scraped(text, counter))) {
          const name = `${counter} ${labels}`
          assert.ok(value >= (before.get(name) ?? 0), `${name} fell from ${before.get(name)} to ${value}`)
          before.set(name, value)
        }
      }
      const requests = scraped(text, 'pgfigi_openfigi_requests_total')
      const { unanswered = 0, ...seen } = this.#sim.countByStatus()
      const unheard = { none: this.#givenUp() }
      for (const [code, count] of Object.entries(requests))
        assert.ok(count <= ({ ...seen, ...unheard }[code] ?? 0) + unanswered, `${count} of ${code}`)
      assert.ok(sum(requests) <= this.#sim.log.length + this.#givenUp())
      assert.ok(sum(scraped(text, 'pgfigi_lookups_total')) <= this.#asked())
      this.totals.push(sum(requests))
      await sleep(100)
    }
  }
}

const timeoutMs = 1_000

/** How often no answer came in time: once by the fault, and where this process, in which the simulator runs too, was held up for so long. */
function givenUp({ lines }: RecordingLogger): number {
  return lines.filter(({ fields }) => {
    const { status, milliseconds } = fields as { status?: number | null; milliseconds?: number }
    return status === null && (milliseconds ?? 0) > timeoutMs - 10
  }).length
}

test('agrees with what OpenFIGI has seen, request by request and code by code, whatever goes wrong', () =>
  withClients((stage) => withPage({ url: stage.url }, (page) => load(stage, page)), {
    limit: { requests: 1_000, windowMs: 1_000 },
    jobsPerRequest: { key: 40 },
  }))

async function load({ client, sim, sql, url, logger }: ClientStage, page: Visit): Promise<void> {
  const apiUrl = sim.url
  const config = parseConfig({
    DATABASE_URL: url,
    OPENFIGI_API_URL: apiUrl,
    OPENFIGI_API_KEY: testKey,
    OPENFIGI_RATE_LIMIT: '20/400ms',
    OPENFIGI_TIMEOUT_MS: String(timeoutMs),
  })
  const options = { rateLimit: '20/400ms', timeoutMs }
  const clients = [1, 2, 3].map(() => client(options))
  const worker = await startWorker(config, url, logger)
  sim.poison(makeCusip(3))
  for (const fault of [
    { status: 429, retryAfter: 1 },
    { status: 500, times: 2 },
    { status: 503, body: '<h1>Sorry</h1>' },
    { kind: 'html' },
    { kind: 'notJson' },
    { kind: 'emptyBody' },
    { kind: 'truncated' },
    { kind: 'wrongLength' },
    { kind: 'reset' },
    { kind: 'hang' },
    { kind: 'jobErrors', filtered: true },
    { status: 408 },
    { kind: 'slowDrip', overMs: 3 * timeoutMs },
  ] as const)
    sim.fail({ probability: 0.5, times: 1, ...fault })

  const resolutions: Resolution[] = []
  let asked = 0
  const resolveAll = async (values: readonly string[]) => {
    asked += clients.length * values.length
    const each = clients.flatMap((one) => values.map((value) => one.resolve(value)))
    resolutions.push(...(await Promise.all(each)))
  }
  const scraper = new Scraper(
    page,
    sim,
    () => asked,
    () => givenUp(logger),
  )
  await resolveAll(makeCusips(0, 150))
  await sql`select from public.resolve_mappings('CUSIP', ${makeCusips(1_000, 1_500)})`
  await resolveAll(makeCusips(100, 200))
  await until('nothing is left to be fetched', () => isDone(sql), 60)
  const isSettled = () => sim.countByStatus().unanswered === 2
  await until('the simulator knows what became of all but the reset and the hanging one', isSettled)
  assert.is(sim.pendingFaults(), 0, 'every fault has been met')
  await Promise.all(clients.map((one) => one.close()))
  await worker.stop()
  await scraper.end()

  const seen = requestsOf(sim)
  const requests = await counted(sql, 'openfigi_requests', ['code'])
  // What was sent and not waited for is another thing to the simulator: then there is only so much to compare.
  const isHeldUp = givenUp(logger) > 1
  if (isHeldUp) assert.ok(Math.abs(sum(requests) - sum(seen)) <= givenUp(logger), JSON.stringify(requests))
  else assert.equal(requests, seen)
  console.log(`\n    ${JSON.stringify(seen)}${isHeldUp ? `, given up: ${givenUp(logger)}` : ''}`)
  for (const code of ['200', '400', '408', '413', '429', '500', '503', 'none']) assert.ok(seen[code], code)
  assert.is(sum(await countedLookups(sql)), resolutions.length)
  assert.ok(
    scraper.totals.some((total) => total > 0 && total < sum(seen)),
    'the page was looked at on the way',
  )
  const { text } = await freshMetrics(page)
  assert.equal(scraped(text, 'pgfigi_openfigi_requests_total'), requests)
  assert.is(sum(scraped(text, 'pgfigi_lookups_total')), resolutions.length)
  const { none = 0, unfiltered = 0, ...rest } = scraped(text, 'pgfigi_openfigi_answers_total')
  if (!isHeldUp) assert.equal({ ...rest, nothing: none + unfiltered }, answersOf(sim))
  const answers = await counted(sql, 'openfigi_answers', ['outcome'])
  assert.ok((answers.listing ?? 0) > 1_000 && (answers.error ?? 0) > 0 && (answers.none ?? 0) > 0)
  const waits = await counted(sql, 'budget_waits', [])
  const milliseconds = await counted(sql, 'budget_wait_milliseconds', [])
  assert.ok(sum(waits) > 0 && sum(waits) <= sum(requests), JSON.stringify(waits))
  assert.ok(sum(milliseconds) > sum(waits), JSON.stringify(milliseconds))
  const jobs = await counted(sql, 'worker_jobs', ['task', 'outcome'])
  assert.ok((jobs['fetch_mappings done'] ?? 0) >= 1, JSON.stringify(jobs))
  const processes = await sql`select kind from figi_private.processes`
  assert.equal([...processes], [], 'all have ended in order')
}

/** What is shown to several scrapers is a second old at the most. */
async function freshMetrics(page: Visit) {
  await sleep(1100)
  return page.ask('/metrics')
}

test('of one that is killed is what it did until ten seconds before, and of one that ends all', () =>
  withSimulator({ limit: { requests: 1_000, windowMs: 1_000 } }, (sim) =>
    withDatabase(async ({ sql, url }) => {
      const options = { dbUrl: url, apiUrl: sim.url, apiKey: testKey, rateLimit: '1000/1s' }
      await using killed = await forkProgram('client_process.ts', options)
      await using ended = await forkProgram('client_process.ts', options)
      await killed.ask({ inputs: makeCusips(0, 100) })
      const answeredAt = performance.now()
      await until('it is in the database', async () => sum(await countedLookups(sql)) === 100)
      assert.ok(performance.now() - answeredAt < 10_000)
      const [process] = await sql`select kind, pid, latest_migration, worker_ids from figi_private.processes`
      assert.equal(
        { ...process },
        { kind: 'client', pid: killed.pid, latest_migration: latestMigration, worker_ids: [] },
      )
      // At once, before the next time that it writes.
      await killed.ask({ inputs: makeCusips(0, 10) })
      await killed.end('SIGKILL')
      await ended.ask({ inputs: makeCusips(0, 50) })
      await ended.end('SIGTERM')
      const lookups = await countedLookups(sql)
      const pids = await sql<{ pid: number }[]>`select pid from figi_private.processes`
      assert.equal(
        pids.map(({ pid }) => pid),
        [killed.pid],
      )
      assert.is(sum(lookups), 150)
      assert.is(lookups['CUSIP miss openfigi'], 100)
    }),
  ))

test.run()
