import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import { LookupFailedError, OpenFIGIClient } from '../../src/index.ts'
import { silentLogger } from '../../src/log.ts'
import { createFetcher } from '../../src/pipeline/create_fetcher.ts'
import { isAtLength } from '../support/at_length.ts'
import { testKey } from '../support/canaries.ts'
import { type TestDatabase, withDatabase } from '../support/database.ts'
import { figure } from '../support/figure.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { observe } from '../support/mappings.ts'
import { type Fault, type Simulator, withSimulator } from '../support/openfigi_simulator.ts'

const test = suite('an outage of OpenFIGI')

const kinds: Record<string, Fault[]> = {
  'HTTP 500': [{ status: 500, times: Number.POSITIVE_INFINITY }],
  'HTTP 503 with a web page': [{ status: 503, body: '<html>Sorry</html>', times: Number.POSITIVE_INFINITY }],
  'HTTP 429': [{ status: 429, retryAfter: 0.2, times: Number.POSITIVE_INFINITY }],
  resets: [{ kind: 'reset', times: Number.POSITIVE_INFINITY }],
  'a web page with HTTP 200': [{ kind: 'html', times: Number.POSITIVE_INFINITY }],
  'truncated JSON': [{ kind: 'truncated', times: Number.POSITIVE_INFINITY }],
  'nothing at all': [{ kind: 'emptyBody', times: Number.POSITIVE_INFINITY }],
  'an answer too few': [{ kind: 'wrongLength', times: Number.POSITIVE_INFINITY }],
  'an error for each job': [{ kind: 'jobErrors', times: Number.POSITIVE_INFINITY }],
  'all of it in turns': [
    { kind: 'jobErrors', probability: 0.15 },
    { status: 500, probability: 0.2 },
    { kind: 'reset', probability: 0.2 },
    { kind: 'truncated', probability: 0.3 },
    { kind: 'wrongLength', probability: 0.4 },
    { status: 429, retryAfter: 0.2, probability: 0.4 },
    { kind: 'html', probability: 1 },
  ],
}

/** As different from each other as can be; the others only at length. */
const inShort: readonly string[] = ['HTTP 429', 'resets', 'an error for each job', 'all of it in turns']

const cold = Array.from({ length: 250 }, (_, n) => makeCusip(n))
const good = Array.from({ length: 20 }, (_, n) => makeCusip(1000 + n))
const unknown = makeCusip(5000)

/** What a worker does, job for job, until it is stopped. */
function keepDraining(fetcher: ReturnType<typeof createFetcher>): () => Promise<void> {
  let isStopped = false
  const loop = async () => {
    while (!isStopped) {
      await fetcher.drain().catch(() => {})
      await sleep(50)
    }
  }
  const ended = loop()
  return async () => {
    isStopped = true
    await fetcher.close()
    await ended
  }
}

/**
 * A lookup is told of the outage by a claim of its own process. Each time that the worker is faster it waits for the next,
 * and the pauses in between grow: so the worker stands back where lookups have waited for so long.
 */
const workerStandsBackAfterMs = 10_000

async function negatives(sql: Sql): Promise<string[]> {
  const rows = await sql<{ value: string }[]>`
    select m.identifier_value as value
    from public.security_mappings m
    where m.has_no_results`
  return rows.map((row) => row.value)
}

async function unresolved(sql: Sql): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count
    from unnest(${[...cold, ...good, unknown]}::text[]) as asked (value)
    where not exists (
      select
      from public.security_mappings m
      where m.identifier_value = asked.value
        and m.end_date is null
        and m.last_fetched_date > now() - interval '1 hour'
    )`
  return row?.count ?? 0
}

/** How long it took, once OpenFIGI answered again, until everything was known. */
async function outage(
  sim: Simulator,
  { sql, url }: TestDatabase,
  kind: string,
  faults: readonly Fault[],
): Promise<number> {
  const settings = {
    DATABASE_URL: url,
    OPENFIGI_API_URL: sim.url,
    OPENFIGI_API_KEY: testKey,
    OPENFIGI_RATE_LIMIT: '1000/1s',
  }
  for (const value of good) await observe(sql, 'CUSIP', value, `GOOD ${value}`, '2020-01-01')
  for (const fault of faults) sim.fail(fault)
  sim.set(unknown, 'unknown')

  await using client = new OpenFIGIClient({
    dbUrl: url,
    apiUrl: sim.url,
    apiKey: testKey,
    rateLimit: '1000/1s',
    logger: silentLogger,
  })
  const startWorker = () => keepDraining(createFetcher(parseConfig(settings), { sql, logger: silentLogger }))
  let stopWorker = startWorker()
  const besideTheWorker = async <T>(lookups: Promise<T>): Promise<T> => {
    let standsBack: Promise<void> | undefined
    const timer = setTimeout(() => {
      standsBack = stopWorker()
    }, workerStandsBackAfterMs)
    try {
      return await lookups
    } finally {
      clearTimeout(timer)
      await standsBack
      if (standsBack) stopWorker = startWorker()
    }
  }

  const began = performance.now()
  const asked = [...cold, ...good, unknown]
  const [resolutions, tickers] = await besideTheWorker(
    Promise.all([
      Promise.all(asked.map((value) => client.resolve(value))),
      Promise.allSettled(cold.slice(0, 30).map((value) => client.getTickerFromCusip(value))),
    ]),
  )
  const answeredMs = performance.now() - began
  for (const [place, { status, ticker, error }] of resolutions.entries()) {
    const value = asked[place] as string
    if (good.includes(value)) assert.equal({ status, ticker }, { status: 'stale', ticker: `GOOD ${value}` })
    else
      assert.equal(
        { status, ticker, hasError: error !== null },
        { status: 'miss', ticker: null, hasError: true },
      )
  }
  for (const answer of tickers) {
    assert.is(answer.status, 'rejected')
    assert.instance((answer as PromiseRejectedResult).reason, LookupFailedError)
  }
  assert.equal(await negatives(sql), [])
  const stillGood =
    await sql`select from public.security_mappings where end_date is null and ticker like 'GOOD %'`
  assert.is(stillGood.length, good.length)
  // A second lookup of the same waits or fails, and is no more a negative than the first. Where OpenFIGI only asks to
  // wait, it waits for all the tries that it has.
  if (faults[0]?.status !== 429) {
    const again = await besideTheWorker(client.resolve(cold[0] as string))
    assert.equal({ status: again.status, hasError: again.error !== null }, { status: 'miss', hasError: true })
  }
  const againMs = performance.now() - began - answeredMs

  sim.clearFaults()
  const recovered = performance.now()
  while ((await unresolved(sql)) > 0) {
    if (performance.now() - recovered > 60_000) throw new Error(`${await unresolved(sql)} do not resolve`)
    await sleep(50)
  }
  const recoveryMs = performance.now() - recovered
  const known = new Set(await negatives(sql))
  assert.ok(known.has(unknown))
  for (const value of known) assert.ok(isUnknown(sim, value), `${value} is no negative`)

  await stopWorker()
  const seconds = (milliseconds: number) => (milliseconds / 1000).toFixed(1)
  console.log(
    `    ${kind}: lookups answered after ${seconds(answeredMs)} s, again ${seconds(againMs)} s; all resolved ${seconds(recoveryMs)} s after the recovery; ${JSON.stringify(sim.countByStatus())}`,
  )
  return recoveryMs
}

/** Whether the simulator has ever said so in an unfiltered request. */
function isUnknown(sim: Simulator, value: string): boolean {
  return sim.requestsFor(value).some((entry) => !entry.filtered && entry.status === 200 && entry.warnings > 0)
}

test('makes no negative and loses nothing, whatever OpenFIGI answers meanwhile', async () => {
  const chosen = Object.entries(kinds).filter(([kind]) => isAtLength || inShort.includes(kind))
  const recoveries = await Promise.all(
    chosen.map(async ([kind, faults]) => {
      let recoveryMs = 0
      await withSimulator({ limit: { requests: 100_000, windowMs: 1000 } }, (sim) =>
        withDatabase(async (database) => {
          recoveryMs = await outage(sim, database, kind, faults).catch((error) => {
            throw new Error(`${kind}: ${error.message}\n${error.details ?? ''}`, { cause: error })
          })
        }),
      )
      return recoveryMs
    }),
  )
  figure(
    `${chosen.length} kinds of outage, no negative of them; all known ${(Math.max(...recoveries) / 1000).toFixed(0)} s after the end of it at the latest`,
  )
})

test.run()
