// takes minutes: it lets servers of its own crash under several processes, and waits for all of them to be back
// runs alone: the processes want the machine
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { connect } from '../../src/database/connect.ts'
import { isAway } from '../../src/database/faults.ts'
import { healthChecks } from '../../src/database/health.ts'
import { OpenFIGIClient } from '../../src/index.ts'
import { type Running, start } from '../cli/pgfigi.ts'
import { withFolder } from '../import/reading.ts'
import { amount, isAtLength } from '../support/at_length.ts'
import { testKey } from '../support/canaries.ts'
import { figure } from '../support/figure.ts'
import { makeCusips } from '../support/identifiers_maker.ts'
import { type Simulator, withSimulator } from '../support/openfigi_simulator.ts'
import { type OwnCluster, withOwnCluster } from '../support/own_cluster.ts'
import { recordingLogger } from '../support/recording_logger.ts'
import { uncaughtDuring } from '../support/uncaught.ts'
import { until } from '../support/until.ts'

const test = suite('a database that crashes')

/** Every actor has CUSIPs of its own. */
const places = {
  requested: 0,
  client: 100_000,
  enriched: 200_000,
  imported: 300_000,
  written: 500_000,
  fresh: 700_000,
}

const requested = amount(1000, 8000)
const enriched = amount(1500, 6000)
const imported = amount(15_000, 150_000)

/** All reconnect within so many seconds after the server takes connections. */
const longest = 10

interface Stage {
  readonly cluster: OwnCluster
  readonly sim: Simulator
  readonly sql: Sql
  readonly env: Record<string, string>
  readonly folder: string
}

function staged(work: (stage: Stage) => Promise<void>): Promise<void> {
  return withSimulator({ limit: { requests: 1000, windowMs: 1000 }, latencyMs: 100 }, (sim) =>
    withFolder((folder) =>
      withOwnCluster(async (cluster) => {
        const sql = connect(cluster.url, { max: 3 })
        const env = {
          DATABASE_URL: cluster.url,
          OPENFIGI_API_URL: sim.url,
          OPENFIGI_API_KEY: testKey,
          OPENFIGI_RATE_LIMIT: '10/1s',
        }
        try {
          assert.equal(await uncaughtDuring(() => work({ cluster, sim, sql, env, folder })), [])
        } finally {
          await sql.end({ timeout: 1 })
        }
      }),
    ),
  )
}

/** Runs a query again until it is answered: whoever looks must not be what fails. */
async function patiently<T>(query: () => PromiseLike<T>): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await query()
    } catch (error) {
      if (tries === 400) throw error
      await sleep(50)
    }
  }
}

const tickersIn = async (sql: Sql, values: readonly string[]) => {
  const rows = await patiently(
    () => sql<{ value: string; ticker: string | null }[]>`
      select identifier_value as value, ticker from public.security_mappings
      where end_date is null and identifier_value = any(${values as string[]}::text[])`,
  )
  return new Map(rows.map(({ value, ticker }) => [value, ticker]))
}

const restOf = async (sql: Sql): Promise<number> =>
  (await patiently(() => sql`select from figi_private.fetch_requests`)).length

/** Asks for one after the other until it is told to stop; what it was answered, it must find again. */
async function keepsLookingUp(client: OpenFIGIClient, isOver: () => boolean) {
  const answered = new Map<string, string | null>()
  for (let n = 0; !isOver(); n += 5) {
    const some = makeCusips(places.client + n, 5)
    for (const { input, status, ticker, error } of await Promise.all(
      some.map((value) => client.resolve(value)),
    )) {
      assert.ok(status === 'hit' || status === 'negative', `${input}: ${status}, ${error}`)
      answered.set(input, ticker)
    }
    await sleep(10)
  }
  return answered
}

/** Writes one after the other, each until it is acknowledged. */
async function keepsWriting(sql: Sql, isOver: () => boolean) {
  const written = new Map<string, string | null>()
  for (let n = 0; !isOver(); n += 1) {
    const values = makeCusips(places.written + n * 20, 20)
    const tickers = values.map((_, place) => `W${n}X${place}`)
    const write = () =>
      sql`select from public.upsert_mappings(${values.map(() => 'CUSIP')}, ${values}, ${tickers})`
    const isAcknowledged = await write().then(
      () => true,
      (error) => {
        assert.ok(isAway(error), error)
        return false
      },
    )
    if (isAcknowledged)
      for (const [place, value] of values.entries()) written.set(value, tickers[place] ?? null)
    else await sleep(50)
  }
  return written
}

/** How the server crashes, in turn; each ends with a server that takes connections again. */
const crashes: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  'stopped immediately': async ({ cluster }) => {
    await cluster.stop()
    await cluster.start()
  },
  'a session killed': async ({ cluster, sql }) => {
    const victims = await patiently(
      () => sql<{ pid: number }[]>`
        select pid from pg_stat_activity
        where pid <> pg_backend_pid() and datname = current_database() and application_name <> 'pgfigi'
        order by state = 'active' desc, random() limit 1`,
    )
    const [victim] = victims
    if (victim) await cluster.killSession(victim.pid)
  },
  'the server killed': async ({ cluster }) => {
    await cluster.kill()
    await cluster.start()
  },
  'stopped for half a minute': async ({ cluster }) => {
    await cluster.stop()
    await sleep(amount(0, 30_000))
    await cluster.start()
  },
}

/** How long the worker, the client and the page took, in milliseconds. */
async function untilBack(
  { sql }: Stage,
  client: OpenFIGIClient,
  page: string,
  n: number,
): Promise<[number, number, number]> {
  const [ofWorker, ofClient] = makeCusips(places.fresh + 10 * n, 2) as [string, string]
  // It has its turn after all that was requested before; the worker is back when it goes on with these.
  const ofTheWorker = [...makeCusips(places.requested, requested), ofWorker]
  const known = async () => (await tickersIn(sql, ofTheWorker)).size
  const began = performance.now()
  const before = await known()
  await patiently(() => sql`select from public.resolve_mapping('CUSIP', ${ofWorker})`)
  const after = (what: string, isSo: () => Promise<boolean>) =>
    until(what, isSo, longest).then(() => performance.now() - began)
  return Promise.all([
    after('the worker fetches', async () => (await known()) > before),
    after('the client has it from the database', async () => (await client.resolve(ofClient)).id !== null),
    after('the page is ready', async () => (await fetch(`${page}/readyz`)).status === 200),
  ])
}

async function endedWell(command: Running, what: string): Promise<string> {
  const { code, stdout, stderr } = await command.ended
  assert.is(code, 0, `${what}: ${stdout}${stderr}`)
  return stderr
}

test('again and again: what was acknowledged is there, and everybody goes on without being restarted', () =>
  staged(async (stage) => {
    const { sql, sim, env, folder } = stage
    const logger = recordingLogger()
    const client = new OpenFIGIClient({
      dbUrl: env.DATABASE_URL ?? '',
      apiUrl: sim.url,
      apiKey: testKey,
      rateLimit: '100/1s',
      logger,
    })
    await using _client = client
    const files = {
      holdings: join(folder, 'holdings.csv'),
      out: join(folder, 'out.csv'),
      old: join(folder, 'old.csv'),
    }
    await writeFile(files.holdings, `cusip\n${makeCusips(places.enriched, enriched).join('\n')}\n`)
    const old = makeCusips(places.imported, imported).map((value) => `${value},OLD,2020-01-01,2021-01-01`)
    await writeFile(files.old, `cusip,ticker,start,end\n${old.join('\n')}\n`)

    await using running = new AsyncDisposableStack()
    const run = (...args: string[]) =>
      running.adopt(start(args, { env }), ({ child }) => void child.kill('SIGKILL'))
    const worker = run('worker')
    const serving = run('serve', '--port', '0')
    const page = await serving.firstLine(/^Page +(\S+)$/)
    await worker.printed('Ready.')
    await sql`select from public.resolve_mappings('CUSIP', ${makeCusips(places.requested, requested)})`
    const importing = run('import', files.old, '--json')
    const enriching = run('enrich', files.holdings, '--output', files.out)
    let isOver = false
    running.defer(() => {
      isOver = true
    })
    const lookingUp = keepsLookingUp(client, () => isOver)
    const writing = keepsWriting(sql, () => isOver)
    await until('import and enrich have begun', async () => {
      const names = await patiently(
        () => sql<{ name: string }[]>`select distinct application_name as name from pg_stat_activity`,
      )
      return ['pgfigi import', 'pgfigi enrich'].every((wanted) => names.some(({ name }) => name === wanted))
    })

    let slowest = [0, 0, 0]
    const rounds = amount(2, 12)
    for (let n = 0; n < rounds; n += 1) {
      await sleep(100 + Math.random() * amount(300, 1500))
      const [, crash] = Object.entries(crashes)[n % (isAtLength ? 4 : 2)] as [string, (typeof crashes)['']]
      await crash(stage)
      const took = await untilBack(stage, client, page, n)
      slowest = slowest.map((ms, place) => Math.max(ms, took[place] ?? 0))
    }
    isOver = true
    const [looked, written] = await Promise.all([lookingUp, writing])
    await client.close() // writes what it has kept
    const saidByEnrich = await endedWell(enriching, 'enrich')
    await endedWell(importing, 'import')
    await until('all that was requested is resolved', async () => (await restOf(sql)) === 0, 90)
    const [ofWorker, ofClient, ofPage] = slowest.map((ms) => `${(ms / 1000).toFixed(1)} s`)
    figure(
      `${rounds} crashes: the worker back within ${ofWorker}, the client within ${ofClient}, the page within ${ofPage}`,
    )

    for (const acknowledged of [looked, written]) {
      assert.ok(acknowledged.size > 0)
      const known = await tickersIn(sql, [...acknowledged.keys()])
      const lost = [...acknowledged].filter(([value, ticker]) => known.get(value) !== ticker)
      assert.equal(lost, [])
    }
    const holdings = makeCusips(places.enriched, enriched)
    const answered = await tickersIn(sql, holdings)
    const lines = (await readFile(files.out, 'utf8')).trimEnd().split('\n').slice(1)
    assert.is(lines.length, enriched, saidByEnrich)
    for (const [n, line] of lines.entries()) {
      const value = holdings[n] as string
      assert.is(line.split(',').slice(0, 2).join(), `${value},${answered.get(value) ?? ''}`)
    }
    assert.is((await tickersIn(sql, makeCusips(places.requested, requested))).size, requested)
    const [{ count }] = await sql<[{ count: number }]>`
      select count(*)::int from public.security_mappings
      where ticker = 'OLD' and start_date = '2020-01-01Z' and end_date = '2021-01-01Z'`
    assert.is(count, imported)
    const laws = (await healthChecks(sql, { whole: true })).filter(({ name }) => name === 'laws')
    assert.equal(
      laws.map(({ status }) => status),
      ['ok'],
    )

    for (const service of [worker, serving]) {
      service.child.kill('SIGTERM')
      assert.is((await service.ended).code, 0)
    }
    assert.equal(logger.messages('error'), [])
  }))

test.run()
