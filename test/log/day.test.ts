// runs alone: it stops and starts a server of its own
import { setTimeout as sleep } from 'node:timers/promises'
import postgres, { type Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { OpenFIGIClient } from '../../src/index.ts'
import { type Ended, run, start } from '../cli/pgfigi.ts'
import { type Visit, visitTo } from '../http/pages.ts'
import { placesWithTrace, tellingProcesses } from '../support/canaries.ts'
import { makeCusip, makeCusips } from '../support/identifiers_maker.ts'
import { type Simulator, withSimulator } from '../support/openfigi_simulator.ts'
import { type OwnCluster, withOwnCluster } from '../support/own_cluster.ts'
import { recordingLogger, textOf } from '../support/recording_logger.ts'
import { until } from '../support/until.ts'

const test = suite('a day of use, an hour a second, with all that goes wrong')

const key = 'canary-of-the-day-key-91c4'
const password = 'canary-of-the-day-password-2be8'
const wrong = 'canary-of-the-day-wrong-0d5f'
const canary = /canary-of-the-day/
const token = 'token-of-the-day-0123456789'
const pagePassword = 'opens the page of the day'

const routes = [
  ...['/', '/?range=1h', '/?range=7d', '/search', '/changes', '/negatives', '/work', '/login', '/nothing'],
  ...['/requests?state=waiting', '/requests?state=gave_up', '/runbooks/key_refused', '/assets/live.js'],
  ...['/healthz', '/readyz', '/metrics', '/api/v1/openapi.json', '/api/v1/overview', '/api/v1/changes'],
  ...['/api/v1/health', '/api/v1/health?whole=true', '/api/v1/charts?range=1h', '/api/v1/negatives'],
  ...['/api/v1/requests?state=waiting', '/api/v1/requests?state=gave_up', '/api/v1/work', '/api/v1/actions'],
]

/** What the day has to work with. */
interface Day {
  readonly cluster: OwnCluster
  readonly sql: Sql
  readonly sim: Simulator
  readonly client: OpenFIGIClient
  readonly visit: Visit
  /** The environment of whoever is set up rightly. */
  readonly env: Readonly<Record<string, string>>
  /** Keeps what somebody was told. */
  readonly hear: (whom: string, text: string) => void
  /** Runs a command, whose output is kept; as whoever has another environment. */
  readonly pgfigi: (
    args: readonly string[],
    other?: { env?: Record<string, string>; input?: string },
  ) => Promise<Ended>
}

/** The URL with another password, and perhaps another port. */
function urlWith(url: string, own: { password?: string; port?: string }): string {
  return Object.assign(new URL(url), own).href
}

/** What OpenFIGI, or a proxy before it, might say of what it was sent. */
const echo = `No! ${key} ${JSON.stringify({ headers: { 'x-openfigi-apikey': key, authorization: `Bearer ${key}` } })}`

const failures = [
  { status: 500, body: echo, times: 1 },
  { kind: 'html', body: `<h1>Sorry</h1><pre>X-OPENFIGI-APIKEY: ${key}</pre>`, times: 1 },
  { kind: 'notJson', body: echo, times: 1 },
  { kind: 'jobErrors', message: echo, times: 1 },
  { status: 400, body: echo, times: 1 },
  { kind: 'truncated', times: 1 },
  { kind: 'reset', times: 1 },
  { kind: 'hang', times: 1 },
] as const

/** Each is an hour. They come in this order. */
const hours: Readonly<Record<string, (day: Day) => Promise<unknown>>> = {
  'new identifiers are looked up': async ({ pgfigi }) => {
    const { code, stderr } = await pgfigi(['resolve', ...makeCusips(0, 5)])
    assert.is(code, 0, stderr)
  },
  'what is known is looked up': ({ pgfigi, client }) =>
    Promise.all([pgfigi(['resolve', '--json', makeCusip(0)]), client.resolve(makeCusip(1))]),
  'SQL misses, and the worker fetches': async ({ sql }) => {
    await sql`select from public.resolve_mappings('CUSIP', ${makeCusips(10, 20)})`
    await fetched(sql)
  },
  'a book is warmed': ({ pgfigi }) => pgfigi(['warm', '-'], { input: makeCusips(40, 30).join('\n') }),
  'old data is imported': ({ pgfigi }) =>
    pgfigi(['import', '-', '--json'], {
      input: JSON.stringify({ [makeCusip(0)]: 'AAA', [makeCusip(90)]: 'B' }),
    }),
  'a file is enriched': ({ pgfigi }) =>
    pgfigi(['enrich', '-', '--json'], { input: `cusip\n${makeCusips(0, 8).join('\n')}\nnonsense\n` }),
  'OpenFIGI refuses the key and quotes it': async ({ sim, pgfigi }) => {
    sim.fail({ status: 401, body: echo, idValues: [makeCusip(100)], times: 1 })
    await pgfigi(['resolve', makeCusip(100)])
  },
  'OpenFIGI refuses another key': ({ pgfigi, env }) =>
    pgfigi(['resolve', makeCusip(101)], { env: { ...env, OPENFIGI_API_KEY: wrong } }),
  'OpenFIGI fails for a command, and quotes what it was sent': async ({ sim, pgfigi }) => {
    const values = makeCusips(110, failures.length)
    for (const [n, fault] of failures.entries()) sim.fail({ ...fault, idValues: values.slice(n, n + 1) })
    await pgfigi(['resolve', ...values], { env: { OPENFIGI_JOBS_PER_REQUEST: '1' } })
  },
  'OpenFIGI fails for the worker': async ({ sim, sql }) => {
    sim.clearFaults()
    const values = makeCusips(130, 6)
    for (const [n, fault] of failures.slice(0, 4).entries())
      sim.fail({ ...fault, times: 3, idValues: values.slice(n, n + 1) })
    await sql`select from public.resolve_mappings('CUSIP', ${values})`
    await until('all were met', () => sim.pendingFaults() <= 2)
    sim.clearFaults()
  },
  'OpenFIGI fails for a client': async ({ sim, client, hear }) => {
    const values = makeCusips(140, failures.length)
    for (const [n, fault] of failures.entries())
      sim.fail({ ...fault, times: 2, idValues: values.slice(n, n + 1) })
    await Promise.all(
      values.map(async (value, n) => {
        if (n % 2 === 0) hear('a client', `${(await client.resolve(value)).error}`)
        else
          await client
            .getTickerFromCusip(value)
            .catch((cause) => hear('a client, as an error', textOf(cause)))
      }),
    )
    sim.clearFaults()
  },
  'OpenFIGI is asked too often': async ({ sim, pgfigi }) => {
    sim.fail({ status: 429, body: echo, retryAfter: 1, times: 1 })
    await pgfigi(['resolve', makeCusip(160)])
  },
  'OpenFIGI cannot be reached': ({ pgfigi, env }) =>
    pgfigi(['resolve', makeCusip(161)], { env: { ...env, OPENFIGI_API_URL: 'http://127.0.0.1:1' } }),
  'what is stale is refreshed': async ({ sql, pgfigi }) => {
    await sql.begin(async (transaction) => {
      // The whole table first, so that the worker, who locks its rows in another order, cannot wait for us in turn.
      await transaction`lock table public.security_mappings in share row exclusive mode`
      await transaction`
        update public.security_mappings set last_fetched_date = last_fetched_date - interval '90 days'`
    })
    await pgfigi(['refresh', '--wait'])
  },
  'somebody looks after it': ({ pgfigi }) =>
    atOnce([
      () => pgfigi(['health', '--json']),
      () => pgfigi(['stats']),
      () => pgfigi(['worker', 'unlock']),
      () => pgfigi(['migrate', 'status']),
    ]),
  'somebody reads': ({ pgfigi }) =>
    atOnce([
      () => pgfigi(['history', makeCusip(0)]),
      () => pgfigi(['changes', '--since', '1d']),
      () => pgfigi(['export', '--history']),
    ]),
  'somebody presses the buttons': ({ visit, hear }) => pressAll(visit, hear),
  'somebody does not know the password of the page': async ({ visit, hear }) => {
    const stranger = visitTo(visit.url)
    const csrf = await stranger.csrfOf('/login')
    for (const given of [key, password, pagePassword]) {
      const { headers, text } = await stranger.ask('/login', { form: { password: given, csrf } })
      hear('the login', `${JSON.stringify(headers)} ${text}`)
    }
  },
  'the database is away': async ({ cluster, client, pgfigi, visit, hear }) => {
    await cluster.stop()
    hear('a client without a database', `${(await client.resolve(makeCusip(170))).error}`)
    await client.getCacheStats().catch((cause) => hear('a client without a database', textOf(cause)))
    await Promise.all([pgfigi(['resolve', makeCusip(171)]), pgfigi(['health']), lookAround(visit, hear)])
  },
  'the database is back': async ({ cluster, sql }) => {
    await cluster.start()
    await until('it answers', () => isAnswering(sql))
    await sql`select from public.resolve_mappings('CUSIP', ${makeCusips(180, 5)})`
  },
  'passwords are wrong': ({ env, pgfigi }) =>
    atOnce([
      () =>
        pgfigi(['resolve', makeCusip(0)], {
          env: { DATABASE_URL: urlWith(databaseOf(env), { password: wrong }) },
        }),
      () =>
        pgfigi(['migrate', 'up'], { env: { DATABASE_URL: urlWith(databaseOf(env), { password: wrong }) } }),
      () => pgfigi(['stats'], { env: { DATABASE_READ_URL: urlWith(databaseOf(env), { password: wrong }) } }),
    ]),
  'the database cannot be reached': ({ env, pgfigi }) =>
    atOnce([
      () => pgfigi(['worker'], { env: { DATABASE_URL: urlWith(databaseOf(env), { port: '1' }) } }),
      () => pgfigi(['stats'], { env: { DATABASE_URL: urlWith(databaseOf(env), { port: '1' }) } }),
      () =>
        pgfigi(['resolve', makeCusip(0)], {
          env: { DATABASE_READ_URL: urlWith(databaseOf(env), { port: '1' }) },
        }),
    ]),
  'settings are mistyped': ({ pgfigi }) =>
    atOnce([
      () => pgfigi(['stats'], { env: { DATABASE_URL: `postgres://a:${password}@ho st:x/d` } }),
      () => pgfigi(['stats'], { env: { OPENFIGI_API_KEY: `${key} with a blank` } }),
      () => pgfigi(['resolve', '--', 'nonsense']),
    ]),
  'all is well': async ({ pgfigi, client, hear }) => {
    const [{ code, stderr }, stats] = await Promise.all([
      pgfigi(['resolve', makeCusip(0)]),
      client.getCacheStats(),
    ])
    assert.is(code, 0, stderr)
    hear('the statistics', JSON.stringify(stats))
  },
}

test('neither the key nor the password shows in a log, a page, metrics, an error, the database or the list of processes', () =>
  withSimulator({ apiKeys: [key], limit: { requests: 1000, windowMs: 1000 } }, (sim) =>
    withOwnCluster((cluster) => spend(cluster, sim), {
      password,
      settings: { log_statement: 'all', log_connections: 'on', log_min_duration_statement: '0' },
    }),
  ))

async function spend(cluster: OwnCluster, sim: Simulator): Promise<void> {
  const heard: string[] = []
  const hear = (whom: string, text: string) => void heard.push(`${whom}: ${text}`)
  const env = {
    DATABASE_URL: cluster.url,
    OPENFIGI_API_URL: sim.url,
    OPENFIGI_API_KEY: key,
    OPENFIGI_RATE_LIMIT: '500/1s',
    OPENFIGI_TIMEOUT_MS: '500',
    PGFIGI_PAGE_TOKEN: token,
    PGFIGI_PAGE_PASSWORD: pagePassword,
    LOG_LEVEL: 'trace',
  }
  const logger = recordingLogger()
  await using client = new OpenFIGIClient({
    dbUrl: cluster.url,
    apiUrl: sim.url,
    apiKey: key,
    rateLimit: '500/1s',
    timeoutMs: 500,
    logger,
  })
  const worker = start(['worker'], { env })
  const service = start(['serve', '--port', '0', '--allow-actions'], { env })
  const sql = postgres(cluster.url, { max: 2, onnotice: () => {}, backoff: () => 0.1 })
  const watch = new Watch(sql)
  try {
    await worker.printed('Ready.')
    const visit = visitTo(await service.firstLine(/^Page {2}(\S+)$/))
    const pgfigi: Day['pgfigi'] = async (args, other = {}) => {
      const ended = await run(args, { ...other, env: { ...env, ...other.env } })
      hear(`pgfigi ${args[0]}`, ended.stdout + ended.stderr)
      return ended
    }
    const day: Day = { cluster, sql, sim, client, visit, env, hear, pgfigi }
    for (const [n, [hour, work]] of Object.entries(hours).entries()) {
      const looking = n % 3 === 1 ? lookAround(visit, hear) : null
      await Promise.all([work(day), looking]).catch((cause) => {
        throw new Error(`in the hour in which ${hour}: ${cause.message}`, { cause })
      })
    }
    await lookAround(visit, hear)
    await until('the worker has fetched again', () => isKnown(sql, makeCusip(184)))
    const budgets = await sql<{ budget: string }[]>`select budget from figi_private.api_budgets`
    service.child.kill('SIGTERM')
    worker.child.kill('SIGTERM')
    for (const { stdout, stderr } of await Promise.all([service.ended, worker.ended]))
      hear('a service', stdout + stderr)
    hear('the logger of the client', logger.text())
    hear('the log of the server', await cluster.log())
    // The last of all, since the server logs it.
    const kept = await placesWithTrace(sql, [key, password, wrong])

    const said = heard.join('\n')
    // It was a day on which there was much to tell.
    for (const heardOf of [
      'HTTP 401',
      'HTTP 500',
      'HTTP 429',
      '28P01',
      'ECONNREFUSED',
      'pgfigi_lookups_total',
      '<h1',
    ])
      assert.match(said, heardOf)
    assert.ok((sim.countByStatus()['200'] ?? 0) > 10 && (sim.countByStatus()['401'] ?? 0) > 0)
    assert.match(budgets.map(({ budget }) => budget).join(), 'key-')
    assert.match(watch.sessions(), 'record_answers')

    assert.equal(linesWithCanary(said), [])
    assert.equal(linesWithCanary(watch.sessions()), [])
    assert.equal(watch.processes(), [])
    assert.equal(kept, [])
  } finally {
    await watch.end()
    await sql.end({ timeout: 1 })
    service.child.kill('SIGKILL')
    worker.child.kill('SIGKILL')
  }
}

const linesWithCanary = (text: string) =>
  text
    .split('\n')
    .filter((line) => canary.test(line))
    .map((line) => line.slice(0, 1000))

const databaseOf = (env: Day['env']) => env.DATABASE_URL ?? ''

/** What sessions of the database run and what the list of processes says, looked at time and again. */
class Watch {
  readonly #sessions = new Set<string>()
  readonly #processes = new Set<string>()
  readonly #ended = new AbortController()
  readonly #looking: Promise<void>

  constructor(sql: Sql) {
    this.#looking = this.#look(sql)
  }

  sessions(): string {
    return [...this.#sessions].join('\n')
  }

  processes(): string[] {
    return [...this.#processes]
  }

  async end(): Promise<void> {
    this.#ended.abort()
    await this.#looking
  }

  async #look(sql: Sql): Promise<void> {
    while (!this.#ended.signal.aborted) {
      for (const { commandLine } of tellingProcesses([key, password, wrong])) this.#processes.add(commandLine)
      const rows = await sql<{ text: string }[]>`
        select concat_ws(' ', application_name, query) as text from pg_stat_activity`.catch(() => [])
      for (const { text } of rows) this.#sessions.add(text)
      await sleep(100)
    }
  }
}

/** Everything that the page has for a visitor. */
async function lookAround({ ask }: Visit, hear: Day['hear']): Promise<void> {
  const headers = { authorization: `Bearer ${token}` }
  const search = [0, 100, 112, 140, 170].flatMap((n) => [
    `/search?q=${makeCusip(n)}`,
    `/api/v1/search?q=${makeCusip(n)}`,
  ])
  await Promise.all(
    [...routes, ...search].map(async (path) => {
      const {
        status,
        headers: answered,
        text,
      } = await ask(path, { headers }).catch((cause) => {
        throw new Error(`${path}: ${cause.message}`, { cause })
      })
      hear(path, `${status} ${JSON.stringify(answered)} ${text}`)
    }),
  )
}

async function pressAll(visit: Visit, hear: Day['hear']): Promise<void> {
  const guest = visitTo(visit.url)
  const login = { password: pagePassword, csrf: await guest.csrfOf('/login') }
  assert.is((await guest.ask('/login', { form: login })).status, 303)
  const csrf = await guest.csrfOf('/search')
  const identifier = { identifier_type: 'CUSIP', identifier_value: makeCusip(0) }
  for (const name of ['fetch', 'retry', 'retry-all', 'unlock']) {
    const form = { ...identifier, csrf, back: '/work' }
    const pressed = await guest.ask(`/actions/${name}`, { form })
    assert.is(pressed.status, 303, pressed.text)
    const after = await guest.ask('/work')
    const headers = { authorization: `Bearer ${token}` }
    const asked = await visit.ask(`/api/v1/actions/${name}`, { headers, json: identifier })
    hear(
      'a button',
      [pressed, after, asked].map((one) => `${JSON.stringify(one.headers)} ${one.text}`).join('\n'),
    )
  }
  await guest.ask('/logout', { form: { csrf } })
}

async function atOnce(works: readonly (() => Promise<unknown>)[]): Promise<void> {
  await Promise.all(works.map((work) => work()))
}

async function fetched(sql: Sql): Promise<void> {
  await until('all is fetched', async () => (await sql`select from figi_private.fetch_requests`).length === 0)
}

async function isKnown(sql: Sql, value: string): Promise<boolean> {
  const rows = await sql`select from public.security_mappings where identifier_value = ${value}`
  return rows.length > 0
}

async function isAnswering(sql: Sql): Promise<boolean> {
  return sql`select 1`.then(
    () => true,
    () => false,
  )
}

test.run()
