import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { OpenFIGIClient } from '../../src/index.ts'
import { amount } from '../support/at_length.ts'
import { testKey } from '../support/canaries.ts'
import { forkProgram } from '../support/child.ts'
import { type ClientStage, withClients } from '../support/client_stage.ts'
import { caseSeed } from '../support/fast_check.ts'
import { figure } from '../support/figure.ts'
import { makeCusip, makeIsin } from '../support/identifiers_maker.ts'
import { deadlocksIn, requireLawful } from '../support/lawful.ts'
import { openSession, type Session } from '../support/mappings.ts'
import { randomFrom } from '../support/random.ts'
import {
  type FoundPeriod,
  isExplained,
  type Look,
  type Moment,
  type Write,
  whyUntrue,
} from '../support/write_history.ts'

const test = suite('whatever several do at once to the same identifiers')

type Random = ReturnType<typeof randomFrom>
type Recorded = Write & { readonly value: string }
type Looked = Look & { readonly value: string }

interface History {
  readonly writes: Recorded[]
  readonly looks: Looked[]
  /** Sightings and rows of a dump that the database said it had taken. */
  readonly imported: { readonly table: string; readonly value: string; readonly ticker: string }[]
  readonly counts: Map<string, number>
  places: number
}

/** By a clock of our own that nobody sets: when calls began and ended. */
const microseconds = () => Math.round(performance.now() * 1000)

/** By the server's clock, from which ours may go astray: what it writes has instants of its. */
async function serversNow({ sql }: Session): Promise<number> {
  const [row] = await sql<[{ now: number }]>`
    select (extract(epoch from clock_timestamp()) * 1000000)::float8 as now`
  return row.now
}

/** Written by these sessions alone: OpenFIGI answers them with an error. */
const written = [makeCusip(1), makeCusip(2), makeIsin(3, 'GB'), makeIsin(4, 'GB')]

/** Fetched by the worker and the clients alone. */
const fetched = [makeCusip(11), makeCusip(12), makeCusip(13)]

const typeOf = (value: string) => (value.length === 9 ? 'CUSIP' : 'ISIN')

/** Calls, and notes when it began and ended. */
async function timed<T>(call: () => PromiseLike<T>): Promise<{ start: number; end: number; said: T }> {
  const start = microseconds()
  const said = await call()
  return { start, end: microseconds(), said }
}

/** Likewise where the server says the instant: it lies between what its clock says before and after. */
async function timedThere(
  session: Session,
  call: () => PromiseLike<unknown>,
): Promise<{ start: number; end: number; at: Moment }> {
  const from = await serversNow(session)
  const { start, end } = await timed(call)
  return { start, end, at: { from, to: await serversNow(session) } }
}

/** An instant as PostgreSQL reads it. */
const when = (micros: number) =>
  `${new Date(Math.floor(micros / 1000)).toISOString().slice(0, -1)}${String(micros % 1000).padStart(3, '0')}Z`

type Operation = (session: Session, history: History, random: Random) => Promise<void>

const newTicker = (history: History, random: Random) => {
  history.places += 1
  const ticker = random.pick(['A', 'B', 'C', null])
  return { ticker, figi: ticker === null ? null : `BBG${String(history.places).padStart(9, '0')}` }
}

async function forget(
  kind: 'clear' | 'purge',
  session: Session,
  history: History,
  call: () => PromiseLike<unknown>,
): Promise<void> {
  const times = await timedThere(session, call)
  for (const value of written) history.writes.push({ kind, value, ...times, ticker: null, figi: null })
}

const operations: Record<string, Operation> = {
  async upsert(session, history, random) {
    const { sql } = session
    const value = random.pick(written)
    const { ticker, figi } = newTicker(history, random)
    // Some are told late, as when they waited for somebody.
    const instant = (await serversNow(session)) - random.pick([0, 0, 20_000])
    const { start, end } = await timed(
      () =>
        sql`select from public.upsert_mapping(${typeOf(value)}, ${value}, ${ticker}, ${when(instant)}::text::timestamptz, figi => ${figi})`,
    )
    const at = { from: instant, to: instant }
    history.writes.push({ kind: 'observe', value, start, end, at, ticker, figi })
  },
  async upsertSet(session, history, random) {
    const { sql } = session
    const set = random.shuffled(written).slice(0, 3)
    const rows = set.map(() => newTicker(history, random))
    const instant = await serversNow(session)
    const { start, end } = await timed(
      () => sql`
        select from public.upsert_mappings(
          ${set.map(typeOf)}::text[], ${set}::text[], ${rows.map(({ ticker }) => ticker)}::text[],
          ${when(instant)}::text::timestamptz, figis => ${rows.map(({ figi }) => figi)}::text[]
        )`,
    )
    for (const [place, value] of set.entries()) {
      const { ticker, figi } = rows[place] as (typeof rows)[0]
      const at = { from: instant, to: instant }
      history.writes.push({ kind: 'observe', value, start, end, at, ticker, figi })
    }
  },
  async recordAnswers(session, history, random) {
    const { sql } = session
    const set = random.shuffled(written).slice(0, 2)
    const rows = set.map(() => newTicker(history, random))
    const answers = set.map((value, place) => {
      const of = { identifier_type: typeOf(value), identifier_value: value }
      const { ticker, figi } = rows[place] as (typeof rows)[0]
      return ticker === null ? { ...of, outcome: 'none' } : { ...of, outcome: 'listing', ticker, figi }
    })
    const times = await timedThere(
      session,
      () => sql`select figi_private.record_answers(${JSON.stringify(answers)}::text::jsonb)`,
    )
    for (const [place, value] of set.entries()) {
      const { ticker, figi } = rows[place] as (typeof rows)[0]
      history.writes.push({ kind: 'observe', value, ...times, ticker, figi })
    }
  },
  clear: (session, history) =>
    forget('clear', session, history, () => session.sql`select public.clear_cache()`),
  purge: (session, history) =>
    forget('purge', session, history, () => session.sql`select public.purge_cache()`),
  async importSightings({ sql }, history, random) {
    history.places += 1
    const value = random.pick(written)
    const ticker = `S${history.places}`
    const day = Date.UTC(2020, 0, 1) + history.places * 86_400_000
    await sql`
      select figi_private.record_sightings(
        ${[typeOf(value)]}::text[], ${[value]}::text[], ${[ticker]}::text[], ${[new Date(day).toISOString()]}::text[]::timestamptz[],
        ${[new Date(day + 3_600_000).toISOString()]}::text[]::timestamptz[], ${[null]}::text[]::timestamptz[], ${[null]}::text[]::jsonb[], 'import'
      )`
    history.imported.push({ table: 'sightings', value, ticker })
  },
  async restoreRow({ sql }, history, random) {
    history.places += 1
    const value = random.pick(written)
    const ticker = `R${history.places}`
    const day = Date.UTC(2010, 0, 1) + history.places * 86_400_000
    const row = {
      identifier_type: typeOf(value),
      identifier_value: value,
      ticker,
      has_no_results: false,
      start_date: new Date(day).toISOString(),
      end_date: new Date(day + 3_600_000).toISOString(),
      last_fetched_date: new Date(day).toISOString(),
      source: 'openfigi',
      is_derived: false,
    }
    const [outcome] = await sql<{ outcome: string; reason: string }[]>`
      select outcome, reason from figi_private.restore_rows('security_mappings', ${JSON.stringify([row])}::text::jsonb)`
    assert.is(outcome?.outcome, 'imported', outcome?.reason)
    history.imported.push({ table: 'security_mappings', value, ticker })
  },
  async claim({ sql }) {
    const claimant = `c${microseconds()}`
    const claims = await sql<{ identifier_type: string; identifier_value: string }[]>`
      select * from figi_private.claim_requests(${claimant}, 5, 5, '200 ms')`
    await sql`
      select figi_private.release_claims(
        ${claimant}, ${claims.map((one) => one.identifier_type)}::text[], ${claims.map((one) => one.identifier_value)}::text[]
      )`
  },
  async warm({ sql }) {
    await sql`select from public.warm_mappings('CUSIP', ${[...fetched, ...written.slice(0, 2)]})`
  },
  async refresh({ sql }, _history, random) {
    await sql`select public.refresh_stale(${random.pick(['0', '1 hour'])}::text::interval, 5)`
  },
  async lookUp({ sql }, history, random) {
    const value = random.pick(written)
    const { said, ...times } = await timed(
      () =>
        sql<
          Look[]
        >`select status, ticker, figi from public.resolve_mapping(${typeOf(value)}, ${value}, max_age => ${random.pick(['0', '1 hour'])}::text::interval)`,
    )
    for (const look of said) history.looks.push({ ...look, value, ...times })
  },
  async lookUpSet({ sql }, history) {
    const { said, ...times } = await timed(
      () => sql<(Look & { value: string })[]>`
        select status, ticker, figi, identifier_value as value from public.resolve_mappings('CUSIP', ${written.slice(0, 2)})`,
    )
    for (const look of said) history.looks.push({ ...look, ...times })
  },
  async lookUpPast(session, history, random) {
    const value = random.pick(written)
    const past = (await serversNow(session)) - 50_000
    const { start, end, said } = await timed(
      () => session.sql<Look[]>`
      select status, ticker, figi from public.resolve_mapping(${typeOf(value)}, ${value}, ${when(past)}::text::timestamptz)`,
    )
    const [row] = said
    // Who wrote it, told by the FIGI alone: what was true then is nobody's to say any more.
    if (row?.figi) history.looks.push({ ...row, status: 'past', value, start, end })
  },
}

const often = [
  'upsert',
  'upsertSet',
  'recordAnswers',
  'lookUp',
  'lookUp',
  'lookUpSet',
  'lookUpPast',
  'claim',
  'warm',
  'refresh',
  'importSightings',
  'restoreRow',
]

async function act(
  session: Session,
  history: History,
  random: Random,
  until: number,
  rare: readonly string[],
): Promise<void> {
  while (performance.now() < until) {
    const name = rare.length > 0 && random.next() < 0.08 ? random.pick(rare) : random.pick(often)
    await (operations[name] as Operation)(session, history, random)
    history.counts.set(name, (history.counts.get(name) ?? 0) + 1)
    await sleep(random.next() * 30)
  }
}

/** As an application does it: through the cache in the process, and waiting for OpenFIGI. */
async function resolveAgain(
  client: OpenFIGIClient,
  { sim }: ClientStage,
  history: History,
  random: Random,
  until: number,
): Promise<void> {
  while (performance.now() < until) {
    const value = random.pick(fetched)
    const { ticker, status, error, figi } = await client.resolve(value)
    history.counts.set('client', (history.counts.get('client') ?? 0) + 1)
    if (error) assert.not.match(String(error), /deadlock|serialize/i)
    else if (status === 'hit' || status === 'stale') {
      const version = versionOf(String(ticker), value)
      assert.ok(version !== null, `${value} was ${ticker}`)
      assert.ok(figi, 'a hit has its FIGI')
    }
    if (random.next() < 0.1) sim.rename(value, `V${value}`)
    await sleep(random.next() * 20)
  }
}

const versionOf = (ticker: string, value: string) =>
  ticker === `V${value}` || ticker === `U${value}` ? ticker : null

test('is explained by one order of the writes, each lookup by a moment, and nobody meets a deadlock', () =>
  withClients(
    async (stage) => {
      const { sql, url, sim } = stage
      for (const value of written) sim.set(value, { error: 'not to be told' })
      for (const value of fetched) sim.rename(value, `U${value}`)
      const environment = {
        DATABASE_URL: url,
        OPENFIGI_API_URL: sim.url,
        OPENFIGI_API_KEY: testKey,
        OPENFIGI_RATE_LIMIT: '1000/1s',
      }
      await using worker = await forkProgram('worker_process.ts', {}, environment)
      const clients = [stage.client({ cacheInProcess: 100 }), stage.client()]
      const rounds = amount(1, 12)
      let [operationsDone, writes, looks] = [0, 0, 0]
      for (let round = 0; round < rounds; round += 1) {
        const history: History = {
          writes: [],
          looks: [],
          imported: [],
          counts: new Map(),
          places: 0,
        }
        await sql`select public.purge_cache()`
        await withSeed(caseSeed + round, async () => {
          const sessions = await Promise.all(Array.from({ length: 5 }, () => openSession(url)))
          const until = performance.now() + 1500
          const rare = [['clear'], ['purge'], [], [], []]
          const results = await Promise.allSettled([
            ...sessions.map((session, n) =>
              act(session, history, randomFrom(caseSeed + round * 100 + n), until, rare[n] ?? []),
            ),
            ...clients.map((client, n) =>
              resolveAgain(client, stage, history, randomFrom(caseSeed + round * 100 + 50 + n), until),
            ),
          ])
          await Promise.all(sessions.map((session) => session[Symbol.asyncDispose]()))
          for (const result of results) if (result.status === 'rejected') throw result.reason
          await check(stage, history)
          await requireLawful(sql)
        })
        operationsDone += [...history.counts.values()].reduce((sum, count) => sum + count, 0)
        writes += history.writes.length
        looks += history.looks.length
      }
      assert.is(await deadlocksIn(sql), 0)
      figure(
        `${operationsDone} operations in ${rounds} rounds, ${writes} writes explained, ${looks} lookups true, no deadlock`,
      )
      assert.is(await worker.end('SIGTERM'), 0, worker.output())
    },
    { universe: { unknownShare: 0, foreignShare: 0, bondShare: 0 }, latencyMs: 20 },
  ))

async function withSeed(seed: number, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    throw new Error(`with PGFIGI_TEST_MARK_SEED=${seed}: ${(error as Error).message}`, { cause: error })
  }
}

async function check({ sql }: ClientStage, history: History): Promise<void> {
  const rows = await sql<(FoundPeriod & { value: string })[]>`
    select
      identifier_value as value, ticker, figi,
      (extract(epoch from start_date) * 1000000)::float8 as from,
      (extract(epoch from end_date) * 1000000)::float8 as until,
      (extract(epoch from last_fetched_date) * 1000000)::float8 as fetched
    from public.security_mappings
    where not is_derived and start_date > '2025-01-01Z'
    order by start_date`
  for (const value of written) {
    const writes = history.writes.filter((write) => write.value === value)
    const found = rows.filter((row) => row.value === value)
    assert.ok(
      isExplained(writes, found),
      `no order of these writes of ${value}:\n${JSON.stringify(writes)}\nleaves\n${JSON.stringify(found)}`,
    )
    for (const look of history.looks.filter((one) => one.value === value)) {
      const why = look.status === 'past' ? whyNobodys(look, writes) : whyUntrue(look, writes)
      assert.is(why, null, `${JSON.stringify(look)}: ${why}\n${JSON.stringify(writes)}`)
    }
  }
  const wasPurged = history.writes.some(({ kind }) => kind === 'purge')
  const kept = await sql<{ table: string; ticker: string }[]>`
    select 'sightings' as table, ticker from figi_private.sightings
    union all
    select 'security_mappings', ticker from public.security_mappings`
  const names = new Set(kept.map(({ table, ticker }) => `${table} ${ticker}`))
  const lost = history.imported.filter(({ table, ticker }) => !names.has(`${table} ${ticker}`))
  if (!wasPurged) assert.equal(lost, [])
  const [fitted] = await sql<{ closed: number; opened: number }[]>`
    select f.closed::int, f.opened::int
    from figi_private.fit_periods(
      array(select identifier_type from figi_private.sightings), array(select identifier_value from figi_private.sightings)
    ) f`
  assert.equal({ ...fitted }, { closed: 0, opened: 0 }, 'the derived rows are those that the sightings make')
}

const whyNobodys = (look: Look, writes: readonly Write[]) =>
  writes.some((write) => write.ticker === look.ticker && write.figi === look.figi)
    ? null
    : `nobody wrote ${look.ticker} with ${look.figi}`

test('is told from what is not so: a lost write, a torn row, one that had been replaced', () => {
  const at = (from: number) => ({ from, to: from })
  const observe = (start: number, end: number, ticker: string, figi: string): Write => ({
    kind: 'observe',
    start,
    end,
    at: at(start),
    ticker,
    figi,
  })
  const [a, b] = [observe(10, 20, 'A', '1'), observe(30, 40, 'B', '2')]
  const rows = [
    { ticker: 'A', figi: '1', from: 10, until: 30, fetched: 10 },
    { ticker: 'B', figi: '2', from: 30, until: null, fetched: 30 },
  ]
  assert.ok(isExplained([a, b], rows))
  assert.not(
    isExplained(
      [a, b],
      rows.slice(0, 1).map((row) => ({ ...row, until: null })),
    ),
    'B is lost',
  )
  assert.not(
    isExplained(
      [a, b],
      rows.map((row) => ({ ...row, figi: '1' })),
    ),
    'torn',
  )
  const look = (start: number, ticker: string | null, figi: string | null, status = 'hit') => ({
    start,
    end: start + 1,
    status,
    ticker,
    figi,
  })
  assert.is(whyUntrue(look(35, 'A', '1'), [a, b]), null)
  assert.ok(whyUntrue(look(50, 'A', '1'), [a, b]))
  const toldLate = { ...b, at: at(9) }
  assert.is(whyUntrue(look(50, 'A', '1'), [a, toldLate]), null)
  assert.ok(whyUntrue(look(50, 'B', '1'), [a, b]))
  assert.ok(whyUntrue(look(50, null, null, 'miss'), [a, b]))
})

test.run()
