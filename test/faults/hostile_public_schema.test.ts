import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { cacheStats, clearCache, purgeCache, refreshStale } from '../../src/database/cache.ts'
import { changesSince } from '../../src/database/changes.ts'
import { connect, type Sql } from '../../src/database/connect.ts'
import { countsSince, recordCounts, sizesSince } from '../../src/database/counting.ts'
import { estimatedRows, exportMappings } from '../../src/database/export.ts'
import { followChanges } from '../../src/database/follow_changes.ts'
import { mappingHistory } from '../../src/database/history.ts'
import { knownMappings } from '../../src/database/known_mappings.ts'
import { resolveMany } from '../../src/database/lookups.ts'
import { migrateUp, migrationHistory } from '../../src/database/migrate.ts'
import { migrateDown } from '../../src/database/migrate_down.ts'
import {
  claimRequests,
  nextClaimInMs,
  pendingOf,
  recordAnswers,
  releaseClaims,
  renewClaims,
} from '../../src/database/requests.ts'
import { createSharedBudget } from '../../src/database/shared_budget.ts'
import { recordSightings } from '../../src/database/sightings.ts'
import { queueSize, requestWarming } from '../../src/database/warming.ts'
import type { Identifier } from '../../src/identifiers.ts'
import { withPage } from '../http/pages.ts'
import { isAtLength } from '../support/at_length.ts'
import { withEmptyDatabase } from '../support/database.ts'
import { figure } from '../support/figure.ts'
import { alarms, plant } from '../support/hostile_schema.ts'
import { grantScript } from '../support/login_role.ts'
import { recordingLogger } from '../support/recording_logger.ts'

const test = suite('schemas public and "$user" where somebody else has created what he likes')

const apple: Identifier = { type: 'CUSIP', value: '037833100' }
const other: Identifier = { type: 'ISIN', value: 'US5949181045' }
const day = new Date('2021-01-01')

/** Each use of the database that sends SQL of its own, by name. */
const uses: Readonly<Record<string, (sql: Sql) => Promise<unknown>>> = {
  'resolve now': (sql) =>
    resolveMany(
      sql,
      [apple, other].map((identifier) => ({ identifier, asOf: null })),
      30,
    ),
  'resolve as of': (sql) =>
    resolveMany(
      sql,
      [day, '2021-01-01'].map((asOf) => ({ identifier: apple, asOf })),
      null,
    ),
  known: (sql) => knownMappings(sql, [apple, other], { asOf: null, maxAgeDays: 30, isRequesting: true }),
  'known as of': (sql) =>
    knownMappings(sql, [apple, other], { asOf: [day, '2021-01-01'], maxAgeDays: null, isRequesting: false }),
  warm: (sql) => requestWarming(sql, ['037833100', 'US5949181045'], 30),
  'queue size': queueSize,
  claim: (sql) =>
    claimRequests(sql, { claimant: 'me', requests: 1, jobsPerRequest: 10, leaseMs: 60_000, wanted: [other] }),
  pending: (sql) => pendingOf(sql, [other]),
  renew: (sql) => renewClaims(sql, ['me'], 60_000),
  'next claim': nextClaimInMs,
  release: (sql) => releaseClaims(sql, 'me', [other], 'outage'),
  record: (sql) =>
    recordAnswers(
      sql,
      [{ identifier_type: 'ISIN', identifier_value: other.value, outcome: 'listing', ticker: 'MSFT' }],
      1000,
    ),
  sightings: (sql) =>
    recordSightings(
      sql,
      [
        {
          type: 'CUSIP',
          value: '17275R102',
          ticker: 'CSCO',
          from: 0,
          until: 1e12,
          heldAt: null,
          details: null,
        },
      ],
      'import',
    ),
  budget: (sql) => createSharedBudget(sql, { name: 'b', limit: { capacity: 25, windowMs: 7000 } }).acquire(),
  counts: (sql) => countsSince(sql, day, 3_600_000),
  sizes: (sql) => sizesSince(sql, day, 3_600_000),
  flush: (sql) =>
    recordCounts(
      sql,
      {
        process: 'p',
        kind: 'worker',
        host: 'h',
        pid: 1,
        version: '1',
        worker_ids: [],
        latest_migration: '000001',
      },
      1,
      [{ counter: 'lookups', labels: { type: 'CUSIP' }, count: 1 }] as never,
    ),
  history: (sql) => mappingHistory(sql, apple),
  changes: async (sql) => Array.fromAsync(changesSince(sql, day, day)),
  follow: async (sql) => {
    for await (const _ of followChanges(sql, day, AbortSignal.timeout(20_000))) break
  },
  stats: cacheStats,
  refresh: (sql) => refreshStale(sql, 0, 10),
  estimate: (sql) => estimatedRows(sql, { format: 'dump', scope: 'history' }),
  clear: clearCache,
  purge: purgeCache,
}

test('nothing of his is called or bound: not by an install, the programs, the page, the grant script, nor an undo', async () => {
  await withEmptyDatabase(async ({ sql, url }) => {
    const [me] = await sql<[{ name: string }]>`select current_user as name`
    const schemas = isAtLength ? ['public', me.name] : ['public']
    for (const schema of schemas) await sql.begin((s) => plant(s, schema, 'better'))
    await sql`grant create on schema public to public`
    const calm = async (what: string) => {
      for (const schema of schemas) assert.is(await alarms(sql, schema), 0, `${what}, schema ${schema}`)
    }

    const logger = recordingLogger()
    await migrateUp(url, { logger })
    await calm('migrate up')
    assert.match(logger.text(), 'revoke create on schema public from public')
    const bound = await sql<{ bound: string }[]>`
      select pg_describe_object(d.classid, d.objid, 0) || ' on ' || pg_describe_object(d.refclassid, d.refobjid, 0) as bound
      from pg_depend d
      join pg_proc trap on d.refclassid = 'pg_proc'::regclass and trap.oid = d.refobjid and trap.prosrc ~ 'hostile code'
      where d.classid <> 'pg_operator'::regclass`
    assert.equal(
      bound.map((row) => row.bound),
      [],
    )
    await sql.unsafe(grantScript)
    await calm('grants.sql')

    await sql`select public.upsert_mapping('CUSIP', '037833100', 'AAPL', '2020-01-01')`
    await using database = {
      sql: connect(url),
      [Symbol.asyncDispose]: () => database.sql.end({ timeout: 1 }),
    }
    const trapped: string[] = []
    for (const [name, use] of Object.entries(uses)) {
      await use(database.sql).catch((error) => trapped.push(`${name}: ${error.message}`))
    }
    assert.equal(trapped, [])
    await calm('the programs')
    for (const format of ['csv', 'jsonl', 'dump'] as const) {
      for (const scope of ['current', 'history', { asOf: day }, { asOf: '2021-01-01' }] as const) {
        const one = connect(url, { max: 1 })
        await exportMappings(one, { format, scope }, async (bytes) => {
          for await (const _ of bytes);
        })
        await one.end()
        await calm(`export ${format}`)
      }
    }
    const token = 'token-of-a-test'
    await withPage({ url, token, allowActions: true }, async ({ ask }) => {
      const headers = { authorization: `Bearer ${token}` }
      for (const path of [
        '/',
        '/search?q=037833100',
        '/search?q=AAPL',
        '/changes',
        '/negatives',
        '/requests',
        '/work',
        '/metrics',
      ]) {
        assert.is((await ask(path, { headers })).status, 200, path)
        await calm(path)
      }
      const json = { identifier_type: 'CUSIP', identifier_value: '037833100' }
      assert.is((await ask('/api/v1/actions/fetch', { headers, json })).status, 200)
      await calm('a button')
    })
    await migrationHistory(url)
    await migrateDown(url)
    await calm('migrate down')
    figure(`${Object.keys(uses).length + 22} uses, no call of ${schemas.length} hostile schemas`)
  })
})

test.run()
