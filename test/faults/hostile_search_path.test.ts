import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withRollback } from '../support/database.ts'
import { givenFunctions, readable } from '../support/decisions.ts'
import { figure } from '../support/figure.ts'
import { alarms, plant } from '../support/hostile_schema.ts'
import { grantScript } from '../support/login_role.ts'
import { failureOf, observe } from '../support/mappings.ts'

const test = suite('a hostile schema on the caller’s search_path')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

const temporary = [
  'security_mappings',
  'mapping_periods',
  'fetch_requests',
  'pg_class',
  'pg_proc',
  'pg_database',
]

const queries: readonly { readonly isFor: 'analyst' | 'worker'; readonly text: string }[] = [
  ...givenFunctions.map(({ signature, role, call }) => {
    const name = signature.slice(0, signature.indexOf('('))
    const isFor = role === 'analyst' ? role : 'worker'
    return { isFor, text: `select * from ${name.includes('.') ? name : `public.${name}`}(${call})` } as const
  }),
  ...readable.map((name) => {
    const text = `select * from ${name.includes('.') ? name : `public.${name}`}`
    return { isFor: 'analyst', text } as const
  }),
  {
    isFor: 'analyst',
    text: `select r.* from (values ('037833100'), ('x')) v (v), public.resolve_mapping('CUSIP', v.v) r`,
  },
  { isFor: 'analyst', text: `select r.* from (values ('037833100')) v (v), public.resolve_mapping(v.v) r` },
  {
    isFor: 'analyst',
    text: `select r.* from (values ('2020-06-01')) d (d), public.resolve_mapping('CUSIP', '037833100', d.d::pg_catalog.timestamptz) r`,
  },
  { isFor: 'analyst', text: `select public.resolve_mapping('CUSIP', '037833100', max_age => '1 day')` },
]

/** What a query answers, or how it fails; numbers and instants, which differ from call to call, left out. Nothing of it stays. */
async function answerOf(sql: Sql, text: string): Promise<string> {
  let answer = ''
  const failure = await failureOf(
    sql.savepoint(async (s) => {
      answer = JSON.stringify(await s.unsafe(text))
      throw new Error('enough')
    }),
  )
  if (failure?.message !== 'enough') return `${failure?.code}: ${failure?.message}`
  return answer.replace(/\d+([.:-]\d+)*/g, '#')
}

for (const role of ['analyst', 'worker'] as const) {
  test(`runs nothing of its own in any function or view that the ${role} may use, and changes no answer`, async () => {
    await withRollback(async (sql) => {
      await sql.unsafe(grantScript)
      await observe(sql, 'CUSIP', '037833100', 'AAPL', '2020-01-01')
      await observe(sql, 'CUSIP', '17275R102', null)
      await plant(sql, 'evil', 'shadowing')
      await sql.unsafe(`set local role pgfigi_${role}`)
      for (const name of temporary) await sql`create temporary table ${sql(name)} (evil int)`

      const asked = queries.filter(({ isFor }) => isFor === role)
      const undisturbed: string[] = []
      await sql`set local search_path to pg_catalog, pg_temp`
      for (const { text } of asked) undisturbed.push(await answerOf(sql, text))
      await sql`set local search_path to pg_temp, evil, pg_catalog, public`
      for (const [n, { text }] of asked.entries()) {
        assert.is(await answerOf(sql, text), undisturbed[n], text)
        assert.is(await alarms(sql, 'evil'), 0, text)
      }
      const refused = undisturbed.filter((answer) => !answer.startsWith('['))
      assert.equal(refused, [], 'each of them answers')
      figure(`${asked.length} queries of the ${role} among ${await trapsOf(sql)} traps`)

      // The traps do work.
      assert.match(
        await answerOf(sql, `select '1'::pg_catalog.text = '2'::pg_catalog.text`),
        'hostile code ran',
      )
      assert.match(await answerOf(sql, `select lower('A'::pg_catalog.text)`), 'hostile code ran')
      assert.match(await answerOf(sql, `select 'x'::evil.text`), 'hostile code ran')
      assert.is(await alarms(sql, 'evil'), 3)
    })
  })
}

test('nor in what the owner writes to the table by hand: its triggers and checks', async () => {
  await withRollback(async (sql) => {
    await plant(sql, 'evil', 'shadowing')
    await sql`set local search_path to evil, pg_catalog, public`
    for (const statement of [
      `insert into public.security_mappings (identifier_type, identifier_value, ticker, start_date, last_fetched_date)
       values ('CUSIP', '037833100', 'A', '2020-01-01', '2020-01-01')`,
      `update public.security_mappings set ticker = 'B'`,
      `delete from public.security_mappings`,
      `truncate public.security_mappings`,
    ]) {
      await sql.unsafe(statement)
      assert.is(await alarms(sql, 'evil'), 0, statement)
    }
  })
})

async function trapsOf(sql: Sql): Promise<number> {
  const [row] = await sql<[{ count: number }]>`
    select pg_catalog.count(*)::pg_catalog.int4 as count
    from pg_catalog.pg_proc p
    where p.pronamespace operator(pg_catalog.=) pg_catalog.to_regnamespace('evil')`
  return row.count
}

test.run()
