import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres, { type Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { packageRoot } from '../support/cluster.ts'
import { figure } from '../support/figure.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { observe } from '../support/mappings.ts'
import { type ReplicaStage, withReplica } from '../support/replica.ts'

const test = suite('a hot standby, in a read-only transaction, as an analyst')

const known = makeCusip(1)
const renamed = makeCusip(2)
const unknown = makeCusip(3)

/** A call of each function that docs/grants.sql lets analysts execute, and how many rows it has. */
const calls: Readonly<Record<string, (sql: Sql) => PromiseLike<readonly unknown[]>>> = {
  'resolve_mapping(text,text,timestamp with time zone,interval)': (sql) =>
    sql`select * from public.resolve_mapping('CUSIP', ${unknown}, null::timestamptz, interval '1 day')`,
  'resolve_mapping(text,text,date,interval)': (sql) =>
    sql`select * from public.resolve_mapping('CUSIP', ${unknown}, '2021-03-09'::date)`,
  'resolve_mapping(text)': (sql) => sql`select * from public.resolve_mapping(${unknown})`,
  'resolve_mappings(text,text[],timestamp with time zone,interval)': (sql) =>
    sql`select * from public.resolve_mappings('CUSIP', ${[unknown]}::text[], null::timestamptz)`,
  'resolve_mappings(text,text[],date,interval)': (sql) =>
    sql`select * from public.resolve_mappings('CUSIP', ${[unknown]}::text[], '2021-03-09'::date)`,
  'mappings_as_of(timestamp with time zone)': (sql) => sql`select * from public.mappings_as_of(now())`,
  'mappings_as_of(date)': (sql) => sql`select * from public.mappings_as_of(current_date)`,
  'mapping_history(text,text)': (sql) => sql`select * from public.mapping_history('CUSIP', ${renamed})`,
  'mapping_changes(timestamp with time zone)': (sql) =>
    sql`select * from public.mapping_changes('2000-01-01'::timestamptz)`,
  'stale_mappings(interval,integer)': (sql) => sql`select * from public.stale_mappings(interval '1 day')`,
  'cache_max_age(interval)': (sql) => sql`select public.cache_max_age()`,
  'cache_stats()': (sql) => sql`select * from public.cache_stats()`,
  'spreadsheet_safe(text)': (sql) => sql`select public.spreadsheet_safe('=1')`,
  'clean_identifier(text)': (sql) => sql`select public.clean_identifier(${known})`,
  'cusip_check_digit(text)': (sql) => sql`select public.cusip_check_digit(${known})`,
  'isin_check_digit(text)': (sql) => sql`select public.isin_check_digit('US037833100')`,
  'normalize_cusip(text)': (sql) => sql`select public.normalize_cusip(${known})`,
  'normalize_isin(text)': (sql) => sql`select public.normalize_isin('US0378331005')`,
  'normalize_identifier_type(text)': (sql) => sql`select public.normalize_identifier_type('cusip')`,
  'normalize_identifier(text,text)': (sql) => sql`select public.normalize_identifier('CUSIP', ${known})`,
  'identifier_type_of(text)': (sql) => sql`select public.identifier_type_of(${known})`,
  'complete_cusip(text)': (sql) => sql`select public.complete_cusip(${known.slice(0, 8)})`,
  'isin_of_cusip(text,text)': (sql) => sql`select public.isin_of_cusip(${known}, 'US')`,
  'figi_private.is_fresh(timestamp with time zone,interval)': (sql) =>
    sql`select figi_private.is_fresh(now(), interval '1 day')`,
  'figi_private.end_of_day(date)': (sql) => sql`select figi_private.end_of_day(current_date)`,
  'figi_private.plain_ticker(text)': (sql) => sql`select figi_private.plain_ticker('AAPL US')`,
  'figi_private.resolve_rest(text,text,timestamp with time zone,interval)': (sql) =>
    sql`select * from figi_private.resolve_rest('CUSIP', ${unknown}, null, null)`,
}

const views = [
  'public.mapping_periods',
  'public.current_mappings',
  'figi_private.period_answers',
  'figi_private.period_changes',
]

/** What analysts may read: all that the catalogue grants them, not a list of ours. */
async function granted(sql: Sql): Promise<{ functions: string[]; views: string[] }> {
  const functions = await sql<{ name: string }[]>`
    select replace(p.oid::regprocedure::text, 'public.', '') as name
    from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    cross join lateral aclexplode(p.proacl) acl
    where n.nspname in ('public', 'figi_private')
      and acl.grantee = 'pgfigi_analyst'::regrole
      and acl.privilege_type = 'EXECUTE'
    order by 1`
  const relations = await sql<{ name: string }[]>`
    select n.nspname || '.' || c.relname as name
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    cross join lateral aclexplode(c.relacl) acl
    where n.nspname in ('public', 'figi_private')
      and acl.grantee = 'pgfigi_analyst'::regrole
      and acl.privilege_type = 'SELECT'
    order by 1`
  return { functions: functions.map(({ name }) => name), views: relations.map(({ name }) => name) }
}

async function everythingAnswers(reader: Sql): Promise<void> {
  const may = await granted(reader)
  assert.equal(
    may.functions,
    Object.keys(calls).sort(),
    'each function that analysts may execute is tried here',
  )
  assert.equal(may.views, [...views].sort())
  for (const isolation of ['read committed read only', 'repeatable read read only']) {
    for (const [name, call] of Object.entries(calls)) {
      const rows = await reader.begin(`isolation level ${isolation}`, async (sql) => [
        ...(await call(sql as unknown as Sql)),
      ])
      assert.ok(rows.length > 0, `${name} gives no row`)
      for (const row of rows as Record<string, unknown>[]) {
        if ('fetch_requested' in row) assert.is(row.fetch_requested, false, name)
      }
    }
    for (const view of views) {
      await reader.begin(`isolation level ${isolation}`, (sql) => sql`select * from ${sql(view)} limit 1`)
    }
  }
}

async function lookupsSayWhatTheyDo(reader: Sql): Promise<void> {
  const rows = await reader.begin(
    'read only',
    (sql) => sql`
    select identifier_value, status, ticker, fetch_requested
    from public.resolve_mappings('CUSIP', ${[known, renamed, unknown, 'nonsense', '']}::text[])`,
  )
  assert.equal(
    rows.map(({ status, ticker, fetch_requested }) => [status, ticker, fetch_requested]),
    [
      ['hit', 'KNOWN', false],
      ['stale', 'OLD', false],
      ['miss', null, false],
      ['invalid', null, false],
      ['invalid', null, false],
    ],
  )
}

test('every function that analysts may execute answers, and no lookup says that it has requested a fetch', async () => {
  const hasRun = await withReplica(async ({ primary, replicaUrl, caughtUp }: ReplicaStage) => {
    await primary.unsafe(await readFile(join(packageRoot, 'docs/grants.sql'), 'utf8')).simple()
    await primary`create role reader login password 'reader' in role pgfigi_analyst`
    await observe(primary, 'CUSIP', known, 'KNOWN')
    await observe(primary, 'CUSIP', renamed, 'OLDER', '2019-01-01')
    await observe(primary, 'CUSIP', renamed, 'OLD', '2020-01-01')
    await caughtUp()
    const url = new URL(replicaUrl)
    Object.assign(url, { username: 'reader', password: 'reader' })
    const reader = postgres(url.href, { max: 1 })
    try {
      await everythingAnswers(reader)
      await lookupsSayWhatTheyDo(reader)
    } finally {
      await reader.end()
    }
    const requests = await primary`select from figi_private.fetch_requests`
    assert.is(requests.length, 0)
    figure(`${Object.keys(calls).length} functions and ${views.length} views`)
  })
  if (!hasRun) console.log('\nSKIPPED: a hot standby (there is no PostgreSQL in /usr/lib/postgresql)')
})

test.run()
