import type { Sql } from 'postgres'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OpenFIGIClient } from '../../src/client.ts'
import { run } from '../cli/pgfigi.ts'
import { amount } from '../support/at_length.ts'
import { testKey } from '../support/canaries.ts'
import { withDatabase, withRollback } from '../support/database.ts'
import { recordingLogger } from '../support/recording_logger.ts'

const nonsense = [
  ...[
    '',
    ' ',
    'x',
    '-1',
    '0',
    '1e99',
    '9'.repeat(400),
    'NaN',
    'infinity',
    '-1 day',
    '99999999 years',
    '٣ days',
    '5',
  ],
  ...[
    '1 day\n',
    "'; drop table x",
    'PT1H',
    '1 day 1 day',
    '0.1',
    '-290000 years',
    '1'.repeat(15),
    '\u202e',
    'null',
  ],
]

const all = ['pgfigi.cache_max_age', 'pgfigi.keep_counts'] as const

/** What reads settings, or what lookups and their keepers go through. */
const calls: readonly ((sql: Sql) => PromiseLike<unknown>)[] = [
  (sql) => sql`select * from public.resolve_mapping('CUSIP', '037833100')`,
  (sql) => sql`select * from public.resolve_mapping('CUSIP', '037833100', now())`,
  (sql) => sql`select * from public.resolve_mapping('CUSIP', 'x')`,
  (sql) => sql`select * from public.resolve_mappings('CUSIP', array['037833100', 'x', null])`,
  (sql) => sql`select * from public.cache_stats()`,
  (sql) => sql`select public.refresh_stale()`,
  (sql) => sql`select * from public.warm_mappings(null, array['037833100'])`,
  (sql) => sql`select figi_private.keep_house()`,
  (sql) => sql`select * from figi_private.check_settings()`,
  (sql) => sql`select * from public.security_mappings`,
]

/** Only the age may be what nobody can read: then a lookup says so, and no answer is made up. */
const isAllowed = (setting: string, code: string | undefined) =>
  setting === 'pgfigi.cache_max_age' && (code === '22007' || code === '22008' || code === '22015')

test('whatever a setting says, every function answers; only an age that is none is told by lookups', () =>
  withRollback(async (sql) => {
    await sql`select public.upsert_mapping('CUSIP', '037833100', 'AAPL')`
    const health = await sql<{ name: string }[]>`select name from figi_private.health_list()`
    const settings = [
      ...all,
      ...health.flatMap(({ name }) => [`pgfigi.health_${name}_warn`, `pgfigi.health_${name}_fail`]),
    ]
    const failed = new Set<string>()
    for (const setting of settings)
      for (const value of setting.startsWith('pgfigi.health')
        ? nonsense.slice(1, amount(3, nonsense.length))
        : nonsense)
        for (const [n, call] of (setting.startsWith('pgfigi.health') ? calls.slice(8, 9) : calls).entries())
          await sql
            .savepoint(async (inner) => {
              await inner`select set_config(${setting}, ${value}, true)`
              await call(inner as unknown as Sql)
              await inner`select set_config(${setting}, '', true)`
            })
            .catch((error) => {
              assert.ok(
                isAllowed(setting, error.code),
                `${setting} = ${value}, call ${n}: ${error.code} ${error.message}`,
              )
              failed.add(value)
            })
    assert.ok(failed.has('x') && failed.has('1e99'), [...failed].join())
    assert.not.ok(failed.has('') || failed.has('infinity') || failed.has('5'))
    const [told] = await sql.savepoint(async (inner) => {
      await inner`select set_config('pgfigi.cache_max_age', 'x', true)`
      return inner`select figi_private.check_settings()::text as message`
    })
    assert.match(told?.message, /pgfigi\.cache_max_age is no interval: '+x'/)
  }))

test('a client and a command name the setting that cannot be read, and how it is mended', () =>
  withDatabase(async ({ sql, url }) => {
    await sql`select public.upsert_mapping('CUSIP', '037833100', 'AAPL')`
    const [{ name }] = await sql<[{ name: string }]>`select current_database() as name`
    await sql`alter database ${sql(name)} set pgfigi.cache_max_age to 'x'`
    await using client = new OpenFIGIClient({
      dbUrl: url,
      apiUrl: 'http://127.0.0.1:9',
      apiKey: testKey,
      logger: recordingLogger(),
    })
    const error = await client.resolve('037833100').catch((error) => error)
    assert.match(String(error.message), /pgfigi\.cache_max_age most likely: set it right/)
    const { code, stderr } = await run(['resolve', '037833100'], { env: { DATABASE_URL: url } })
    assert.is(code, 1)
    assert.match(stderr, /^error: .*pgfigi\.cache_max_age most likely: set it right/)
    assert.not.match(stderr, /\n\s+at /)
    await sql`alter database ${sql(name)} reset pgfigi.cache_max_age`
  }))

test.run()
