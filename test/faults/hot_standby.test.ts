import postgres, { type Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { callOf, givenFunctions, readable } from '../support/decisions.ts'
import { figure } from '../support/figure.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { grantScript } from '../support/login_role.ts'
import { observe } from '../support/mappings.ts'
import { type ReplicaStage, withReplica } from '../support/replica.ts'

const test = suite('a hot standby, in a read-only transaction, as an analyst')

const known = makeCusip(1)
const renamed = makeCusip(2)
const unknown = makeCusip(3)
/** What the calls of decisions.ts ask for. */
const asked = '037833100'

const calls = givenFunctions.filter(({ role }) => role === 'analyst')

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
    select replace(n.nspname || '.' || c.relname, 'public.', '') as name
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
    calls.map(({ signature }) => signature).sort(),
    'each function that analysts may execute is tried here',
  )
  assert.equal(may.views, readable.toSorted())
  for (const isolation of ['read committed read only', 'repeatable read read only']) {
    for (const { signature, call } of calls) {
      const rows = await reader.begin(`isolation level ${isolation}`, (sql) =>
        sql.unsafe(callOf(signature, call)),
      )
      assert.ok(rows.length > 0, `${signature} gives no row`)
      for (const row of rows) {
        if ('fetch_requested' in row) assert.is(row.fetch_requested, false, signature)
      }
    }
    for (const view of readable) {
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
    await primary.unsafe(grantScript).simple()
    await primary`create role reader login password 'reader' in role pgfigi_analyst`
    await observe(primary, 'CUSIP', known, 'KNOWN')
    for (const value of [renamed, asked]) {
      await observe(primary, 'CUSIP', value, 'OLDER', '2019-01-01')
      await observe(primary, 'CUSIP', value, 'OLD', '2020-01-01')
    }
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
    figure(`${calls.length} functions and ${readable.length} views`)
  })
  if (!hasRun) console.log('\nSKIPPED: a hot standby (there is no PostgreSQL in /usr/lib/postgresql)')
})

test.run()
