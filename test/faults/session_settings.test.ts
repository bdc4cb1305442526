import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import { changesSince } from '../../src/database/changes.ts'
import { connect, type Sql } from '../../src/database/connect.ts'
import { mappingHistory } from '../../src/database/history.ts'
import { OpenFIGIClient } from '../../src/index.ts'
import { silentLogger } from '../../src/log.ts'
import { startWorker } from '../../src/worker/run.ts'
import { testKey } from '../support/canaries.ts'
import { withDatabase } from '../support/database.ts'
import { figure } from '../support/figure.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { failureOf, observe } from '../support/mappings.ts'
import { withSimulator } from '../support/openfigi_simulator.ts'
import { until } from '../support/until.ts'

const test = suite('settings that a role or a database brings along')

/** What somebody may have set for reasons of his own. */
const harmless: Readonly<Record<string, string>> = {
  DateStyle: 'SQL, DMY',
  IntervalStyle: 'sql_standard',
  TimeZone: 'Asia/Kathmandu',
  bytea_output: 'escape',
  extra_float_digits: '-5',
  quote_all_identifiers: 'on',
  client_min_messages: 'debug1',
  search_path: 'pg_catalog',
  default_transaction_deferrable: 'on',
  idle_in_transaction_session_timeout: '5s',
  lock_timeout: '5s',
  statement_timeout: '20s',
  lc_monetary: 'C',
  lc_numeric: 'C',
  lc_time: 'C',
  plan_cache_mode: 'force_generic_plan',
  row_security: 'off',
  xmloption: 'document',
  escape_string_warning: 'off',
  standard_conforming_strings: 'off',
  'plpgsql.variable_conflict': 'use_variable',
  'plpgsql.extra_errors': 'none',
}

async function set(sql: Sql, settings: Readonly<Record<string, string>>): Promise<void> {
  const [{ name }] = await sql<[{ name: string }]>`select current_database() as name`
  for (const [setting, value] of Object.entries(settings)) {
    const statement = `alter database "${name}" set ${setting} = '${value}'`
    await sql.unsafe(setting === 'search_path' ? statement.replace(/'/g, '') : statement)
  }
}

async function reset(sql: Sql): Promise<void> {
  const [{ name }] = await sql<[{ name: string }]>`select current_database() as name`
  await sql.unsafe(`alter database "${name}" reset all`)
}

const [renamed, gone, imported, dayOf] = [1, 2, 3, 4].map((n) => makeCusip(n)) as [
  string,
  string,
  string,
  string,
]

async function fill(sql: Sql): Promise<void> {
  await observe(sql, 'CUSIP', renamed, 'OLD', '2024-02-03T04:05:06.789012Z')
  await observe(sql, 'CUSIP', renamed, 'NEW', '2025-11-12T23:30:00Z')
  await observe(sql, 'CUSIP', gone, null, '2025-03-04T05:06:07Z')
  await observe(sql, 'CUSIP', dayOf, 'BEFORE', '2025-06-01T00:00:00Z')
  await observe(sql, 'CUSIP', dayOf, 'AFTER', '2025-07-08T20:00:00Z')
  await sql`
    select figi_private.record_sightings(
      array['CUSIP'], array[${imported}], array['SEEN'], array['2023-05-06T00:00:00Z'::timestamptz],
      array['2023-05-09T00:00:00Z'::timestamptz], array['2023-05-06T00:00:00Z'::timestamptz], array[null]::jsonb[], 'import'
    )`
}

/** All that can be asked, by SQL and by TypeScript. Times of SQL come as JSON, in whatever zone: they are made comparable. */
async function everything(url: string, apiUrl: string): Promise<Record<string, unknown>> {
  const sql = connect(url, { max: 1 })
  await using client = new OpenFIGIClient({
    dbUrl: url,
    apiUrl,
    apiKey: testKey,
    cacheMaxAgeDays: 36_500,
    logger: silentLogger,
  })
  const json = async (query: PromiseLike<{ row: unknown }[]>) => (await query).map(({ row }) => instants(row))
  try {
    const answers: Record<string, unknown> = {
      resolve: await json(
        sql`select to_jsonb(r) as row from public.resolve_mapping('CUSIP', ${renamed}, max_age => '1000 years') r`,
      ),
      asOf: await json(
        sql`select to_jsonb(r) as row from public.resolve_mapping('CUSIP', ${dayOf}, '2025-07-08T19:59:59Z'::timestamptz) r`,
      ),
      onDay: await json(
        sql`select to_jsonb(r) as row from public.resolve_mapping('CUSIP', ${dayOf}, date '2025-07-08') r`,
      ),
      set: await json(
        sql`select to_jsonb(r) as row from public.resolve_mappings('CUSIP', ${[renamed, gone, imported, 'x']}, max_age => '1000 years') r`,
      ),
      history: await json(sql`select to_jsonb(r) as row from public.mapping_history('CUSIP', ${renamed}) r`),
      all: await json(
        sql`select to_jsonb(r) as row from public.mappings_as_of(date '2025-07-08') r order by r.identifier_value`,
      ),
      current: await json(
        sql`select to_jsonb(r) as row from public.current_mappings r order by r.identifier_value`,
      ),
      stale: await json(
        sql`select to_jsonb(r) as row from public.stale_mappings('30 days', 10) r order by r.identifier_value`,
      ),
      changes: await json(
        sql`select to_jsonb(r) - 'recorded_at' as row from public.mapping_changes('2020-01-01Z') r order by r.changed_at`,
      ),
      stats: await json(
        sql`select to_jsonb(r) - array['hit_rate_1h', 'hit_rate_24h'] as row from public.cache_stats() r`,
      ),
      laws: await json(
        sql`select to_jsonb(r) - 'milliseconds' as row from public.health_checks(true) r where r.name = 'laws'`,
      ),
      migrations: await json(
        sql`select to_jsonb(r) - 'milliseconds' as row from public.health_checks(latest_migration => '000004') r where r.name = 'migrations'`,
      ),
      // Not the connections: they are the whole server's.
      health: (
        await sql<
          { name: string; status: string }[]
        >`select name, status from public.health_checks() where name <> 'connections' order by name`
      ).map((row) => ({ ...row })),
      typedHistory: (await mappingHistory(sql, { type: 'CUSIP', value: renamed })).map((row) => ({ ...row })),
      typedChanges: (await Array.fromAsync(changesSince(sql, new Date('2020-01-01Z')))).map(
        ({ recorded_at, ...row }) => row,
      ),
      client: await Promise.all([renamed, gone].map((value) => client.resolve(value))),
      clientAsOf: await Promise.all(
        ['2025-07-08', new Date('2025-07-08T19:59:59Z')].map((asOf) => client.resolve(dayOf, { asOf })),
      ),
    }
    return answers
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** Every time in it as an instant in UTC. */
function instants(value: unknown): unknown {
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+[+-]\d\d:\d\d$/.test(value)) {
    const fraction = /\.(\d+)/.exec(value)?.[1] ?? ''
    return `${new Date(value.replace(/\.\d+/, '')).toISOString().slice(0, 19)}.${fraction.padEnd(6, '0')}`
  }
  if (Array.isArray(value)) return value.map(instants)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, instants(one)]))
}

const simulated = {
  limit: { requests: 1000, windowMs: 1000 },
  universe: { unknownShare: 0, bondShare: 0, foreignShare: 0 },
}

test('change no answer, and what is fetched meanwhile has its right time', () =>
  withSimulator(simulated, (sim) =>
    withDatabase(async ({ sql, url }) => {
      await fill(sql)
      const before = await everything(url, sim.url)
      await set(sql, harmless)
      const after = await everything(url, sim.url)
      for (const [what, answer] of Object.entries(before)) assert.equal(after[what], answer, what)

      const environment = { DATABASE_URL: url, OPENFIGI_API_URL: sim.url, OPENFIGI_API_KEY: testKey }
      const worker = await startWorker(parseConfig(environment), url, silentLogger)
      const lookups = connect(url, { max: 1 })
      try {
        const wanted = makeCusip(77)
        await lookups`select from public.resolve_mapping('CUSIP', ${wanted})`
        await until('the worker has fetched it', async () => {
          const [row] = await sql<{ age: number }[]>`
            select extract(epoch from now() - last_fetched_date)::float8 as age
            from public.security_mappings where identifier_value = ${wanted}`
          return row !== undefined && Math.abs(row.age) < 30
        })
      } finally {
        await lookups.end({ timeout: 1 })
        await worker.stop()
        await reset(sql)
      }
      figure(`${Object.keys(harmless).length} settings, ${Object.keys(before).length} questions`)
    }),
  ))

const refused: Readonly<Record<string, string>> = {
  default_transaction_isolation: 'serializable',
  default_transaction_read_only: 'on',
  array_nulls: 'off',
  transform_null_equals: 'on',
}

test('under which nothing can be written are refused by the worker, which names them and the remedy', () =>
  withDatabase(async ({ sql, url }) => {
    for (const [name, value] of Object.entries(refused)) {
      await set(sql, { [name]: value })
      const error = await failureOf(
        startWorker(parseConfig({ DATABASE_URL: url, OPENFIGI_API_KEY: testKey }), url, silentLogger),
      )
      await reset(sql).catch(async () => {
        await sql`set default_transaction_read_only = off`
        await reset(sql)
      })
      assert.match(
        error?.message ?? 'it started',
        `begin with ${name} = ${value}, under which a worker cannot write`,
      )
      assert.match(error?.message ?? '', `set ${name} =`)
    }
  }))

test('lookups go on under any of them, and a write in the wrong kind of transaction is one sentence', () =>
  withSimulator(simulated, (sim) =>
    withDatabase(async ({ sql, url }) => {
      await fill(sql)
      for (const name of ['default_transaction_isolation', 'default_transaction_read_only']) {
        await set(sql, { [name]: refused[name] as string })
        {
          await using client = new OpenFIGIClient({
            dbUrl: url,
            apiUrl: sim.url,
            apiKey: testKey,
            cacheMaxAgeDays: 36_500,
            logger: silentLogger,
          })
          const [known, unknown] = await Promise.all([client.resolve(renamed), client.resolve(makeCusip(55))])
          assert.equal([known?.ticker, known?.status], ['NEW', 'hit'])
          assert.match(String(unknown?.error), /read committed|read-only/)
        }
        const writer = connect(url, { max: 1 })
        await writer`set default_transaction_read_only = off`
        await reset(writer)
        await writer.end({ timeout: 1 })
      }
    }),
  ))

test.run()
