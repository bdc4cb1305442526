import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type QueryRows, rowsOfQuery } from '../../src/database/user_query.ts'
import { UserQueryError } from '../../src/errors/user_query_error.ts'
import { type TestDatabase, withDatabase } from '../support/database.ts'

const test = suite('queries that users write')

async function all(sql: TestDatabase['sql'], text: string, batchSize = 1000): Promise<QueryRows[]> {
  return Array.fromAsync(rowsOfQuery(sql, text, batchSize))
}

async function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => null,
    (error) => error,
  )
}

test('rows come as texts, so many at a time, with the names of their columns', () =>
  withDatabase(async ({ sql }) => {
    const text = `select i as n, case when i > 1 then '03783310' || i end as "CUSIP" from generate_series(1, 5) i; -- all`
    assert.equal(await all(sql, text, 2), [
      {
        names: ['n', 'CUSIP'],
        rows: [
          ['1', ''],
          ['2', '037833102'],
        ],
      },
      {
        names: ['n', 'CUSIP'],
        rows: [
          ['3', '037833103'],
          ['4', '037833104'],
        ],
      },
      { names: ['n', 'CUSIP'], rows: [['5', '037833105']] },
    ])
    assert.equal(await all(sql, 'select 1 as a, 2 as a'), [{ names: ['a', 'a'], rows: [['1', '2']] }])
    assert.equal(
      (await all(sql, 'select 1 as a where false')).flatMap(({ rows }) => rows),
      [],
    )
  }))

test('what the server refuses is told with its place, and leaves the connection as it was', () =>
  withDatabase(async ({ sql }) => {
    await sql`create table holdings (cusip text)`
    await sql`insert into holdings values ('037833100')`
    for (const [text, code, words] of [
      [
        'select cusip from holding',
        '42P01',
        'cannot be run: relation "holding" does not exist, at character 19.',
      ],
      ['select cusip from holdings where cusip = 1', '42883', 'No operator matches'],
      ['selec', '42601', 'syntax error'],
      ['', '42601', 'it is no select'],
      ['-- nothing', '42601', 'it is no select'],
      ['set timezone to utc', '42601', 'it is no select'],
      ['show all', '42601', 'it is no select'],
      ['explain select 1', '42601', 'it is no select'],
      ['delete from holdings returning cusip', '42601', 'it is no select, and it may only read'],
      ['select 1; commit; drop table holdings', '42601', 'cannot insert multiple commands'],
      ['select 1 / (i - 3) from generate_series(1, 5) i', '22012', 'division by zero'],
      ['select $1::text', '08P01', 'requires 1'],
    ] as const) {
      const error = await failure(all(sql, text, 2))
      assert.instance(error, UserQueryError, text)
      assert.is((error as UserQueryError).code, code)
      assert.match((error as UserQueryError).message, words)
    }
    assert.is((await sql`select from holdings`).length, 1)
    const open = await sql`
      select from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'`
    assert.is(open.length, 0)
  }))

test('whoever stops taking rows ends the transaction', () =>
  withDatabase(async ({ sql }) => {
    for await (const { rows } of rowsOfQuery(sql, 'select i from generate_series(1, 100000) i', 10)) {
      assert.is(rows.length, 10)
      break
    }
    const open = await sql`
      select from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'`
    assert.is(open.length, 0)
  }))

test.run()
