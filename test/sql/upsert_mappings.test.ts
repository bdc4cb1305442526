import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withDatabase, withRollback } from '../support/database.ts'
import { makeCusip, makeIsin } from '../support/identifiers_maker.ts'
import { failureOf, observe, openSession, periodsOf } from '../support/mappings.ts'
import { rowsRead } from '../support/rows_read.ts'
import { until } from '../support/until.ts'

const test = suite('upsert_mappings')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

type Observation = readonly [type: string | null, value: string | null, ticker: string | null]

const upsert = (sql: Sql, set: readonly Observation[], at = '2020-01-01Z') =>
  sql`
    select u.identifier_type, u.identifier_value, u.ticker, u.start_date
    from upsert_mappings(
      ${set.map(([type]) => type)}::text[], ${set.map(([, value]) => value)}::text[], ${set.map(([, , ticker]) => ticker)}::text[],
      ${at}::text::timestamptz
    ) u`

const rowsOf = async (sql: Sql) => {
  const [row] = await sql`
    select count(*)::int as rows, count(*) filter (where end_date is null)::int as open from security_mappings`
  return { ...row }
}

test('a set is recorded in one statement, one latest row coming back for each identifier', async () => {
  await withRollback(async (sql) => {
    const set: Observation[] = [
      ['CUSIP', makeCusip(1), 'A'],
      ['isin', makeIsin(2).toLowerCase(), 'B'],
      ['CUSIP', makeCusip(3), null],
    ]
    const rows = await upsert(sql, set)
    assert.is(rows.length, 3)
    assert.equal(
      rows.map((row) => `${row.identifier_type} ${row.identifier_value} ${row.ticker}`).sort(),
      [`CUSIP ${makeCusip(1)} A`, `CUSIP ${makeCusip(3)} null`, `ISIN ${makeIsin(2)} B`].sort(),
    )
    const again = await upsert(sql, set, '2021-01-01Z')
    assert.is(again.length, 3)
    assert.equal(await rowsOf(sql), { rows: 3, open: 3 })
  })
})

test('of an identifier that stands twice, however spelt, the later place counts', async () => {
  await withRollback(async (sql) => {
    const rows = await upsert(sql, [
      ['CUSIP', '037833100', 'A'],
      ['CUSIP', '594918104', 'M'],
      ['cusip', '37833100', 'B'],
      ['CUSIP', ' 037833100', null],
      ['CUSIP', '037-833-100', 'LAST'],
    ])
    assert.is(rows.length, 2)
    assert.equal(
      (await periodsOf(sql, 'CUSIP', '037833100')).map((one) => one.ticker),
      ['LAST'],
    )
    assert.equal(await rowsOf(sql), { rows: 2, open: 2 })
  })
})

test('new, touched, changed, older and cleared identifiers go together in one set', async () => {
  await withRollback(async (sql) => {
    for (const [n, ticker, at] of [
      [1, 'SAME', '2020-01-01Z'],
      [2, 'OLD', '2020-01-01Z'],
      [3, 'NEWER', '2022-01-01Z'],
      [4, null, '2020-01-01Z'],
      [5, 'SAME', '2020-01-01Z'],
    ] as const) {
      await observe(sql, 'CUSIP', makeCusip(n), ticker, at)
    }
    await sql`update security_mappings set end_date = '2020-06-01Z' where identifier_value = ${makeCusip(5)}`
    await upsert(
      sql,
      [
        ['CUSIP', makeCusip(0), 'NEW'],
        ['CUSIP', makeCusip(1), 'SAME'],
        ['CUSIP', makeCusip(2), 'CHANGED'],
        ['CUSIP', makeCusip(3), 'TOO LATE'],
        ['CUSIP', makeCusip(4), 'FOUND'],
        ['CUSIP', makeCusip(5), 'SAME'],
      ],
      '2021-01-01Z',
    )
    const tickers = async (n: number) =>
      (await periodsOf(sql, 'CUSIP', makeCusip(n))).map((one) => one.ticker)
    assert.equal(await tickers(0), ['NEW'])
    assert.equal(await tickers(1), ['SAME'])
    assert.equal(await tickers(2), ['OLD', 'CHANGED'])
    assert.equal(await tickers(3), ['NEWER'])
    assert.equal(await tickers(4), [null, 'FOUND'])
    assert.equal(await tickers(5), ['SAME', 'SAME'])
  })
})

test('one invalid identifier refuses the whole set, and says which place', async () => {
  await withRollback(async (sql) => {
    const failure = await failureOf(
      sql.savepoint((s) =>
        upsert(s, [
          ['CUSIP', makeCusip(1), 'A'],
          ['CUSIP', makeCusip(2), 'B'],
          ['ISIN', 'US0000000000', 'C'],
          ['CUSIP', 'nonsense', 'D'],
        ]),
      ),
    )
    assert.is(failure?.code, 'PF001')
    assert.is(failure?.message, `'US0000000000' is not a valid ISIN`)
    assert.is(failure?.detail, 'Element 3 of 4.')
    assert.equal(await rowsOf(sql), { rows: 0, open: 0 })
  })
})

test('a null identifier is refused by its place', async () => {
  await withRollback(async (sql) => {
    for (const set of [
      [
        ['CUSIP', makeCusip(1), 'A'],
        ['CUSIP', null, 'A'],
      ],
      [
        ['CUSIP', makeCusip(1), 'A'],
        [null, makeCusip(2), 'A'],
      ],
    ] as Observation[][]) {
      const failure = await failureOf(sql.savepoint((s) => upsert(s, set)))
      assert.is(failure?.code, 'PF001')
      assert.is(failure?.detail, 'Element 2 of 2.')
    }
  })
})

test('a row that a constraint refuses takes the whole set back', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', makeCusip(1), 'A', '2019-01-01Z')
    const failure = await failureOf(
      sql.savepoint(
        (s) => s`
        select from upsert_mappings(
          '{CUSIP,CUSIP}', ${[makeCusip(1), makeCusip(2)]}, '{B,C}', '2020-01-01Z',
          alternatives => array['[]', '{}']::jsonb[]
        )`,
      ),
    )
    assert.is(failure?.constraint_name, 'security_mappings_alternatives_is_an_array')
    assert.equal(
      (await periodsOf(sql, 'CUSIP', makeCusip(1))).map((one) => one.ticker),
      ['A'],
    )
    assert.equal(await rowsOf(sql), { rows: 1, open: 1 })
  })
})

test('arrays that do not fit are refused with PF002, and say how long they are', async () => {
  await withRollback(async (sql) => {
    for (const call of [
      `upsert_mappings('{CUSIP}', '{}', '{A}')`,
      `upsert_mappings('{CUSIP}', '{037833100}', '{A,B}')`,
      `upsert_mappings('{CUSIP,CUSIP}', '{037833100}', '{A}')`,
      `upsert_mappings(null, '{037833100}', '{A}')`,
      `upsert_mappings('{CUSIP}', '{037833100}', null)`,
      `upsert_mappings('{CUSIP}', '{037833100}', '{A}', 'infinity')`,
    ]) {
      const failure = await failureOf(sql.savepoint((s) => s.unsafe(`select from ${call}`)))
      assert.is(failure?.code, 'PF002', call)
      assert.ok(failure?.hint, call)
    }
  })
})

test('columns longer or shorter than the set, empty sets and sets of nothing do no harm', async () => {
  await withRollback(async (sql) => {
    await sql`select from upsert_mappings('{CUSIP}', ${[makeCusip(1)]}, '{A}', names => '{one,two,three}')`
    await sql`select from upsert_mappings('{CUSIP,CUSIP}', ${[makeCusip(2), makeCusip(3)]}, '{A,B}', names => '{two}', figis => '{}')`
    const rows = await sql<{ identifier_value: string; name: string | null }[]>`
      select identifier_value, name from security_mappings`
    const names = new Map(rows.map((row) => [row.identifier_value, row.name]))
    assert.equal(
      [1, 2, 3].map((n) => names.get(makeCusip(n))),
      ['one', 'two', null],
    )
    assert.is((await sql`select from upsert_mappings('{}', '{}', '{}')`).length, 0)
    assert.is((await sql`select from upsert_mappings(null, null, null)`).length, 0)
    assert.equal(await rowsOf(sql), { rows: 3, open: 3 })
  })
})

test('20,000 new, known and changed identifiers take no minutes, also in a session that began with a single one', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', makeCusip(0), 'A', '2019-01-01Z')
    await observe(sql, 'CUSIP', makeCusip(0), 'B', '2019-02-01Z')
    const cusips = Array.from({ length: 20_000 }, (_, n) => makeCusip(n))
    for (const [ticker, at, rows] of [
      ['A', '2020-01-01Z', 20_002],
      ['A', '2021-01-01Z', 20_002],
      ['B', '2022-01-01Z', 40_002],
    ] as const) {
      const began = performance.now()
      await sql`
        select count(*) from upsert_mappings(
          array_fill('CUSIP'::text, array[20000]), ${cusips}, array_fill(${ticker}::text, array[20000]), ${at}::text::timestamptz
        )`
      const took = performance.now() - began
      // What is quadratic takes minutes.
      assert.ok(took < 60_000, `${ticker} at ${at} took ${took} ms`)
      assert.equal(await rowsOf(sql), { rows, open: 20_000 })
    }
    const before = await rowsRead(sql)
    for (let n = 0; n < 50; n++) await observe(sql, 'CUSIP', makeCusip(n), 'C', '2023-01-01Z')
    const rows = (await rowsRead(sql)) - before
    assert.ok(rows < 50 * 100, `single ones after that read ${rows / 50} rows each`)
  })
})

test('who listens to mapping_changes hears how many periods ended and began, and of a mere touch nothing', async () => {
  await withDatabase(async ({ sql, url }) => {
    const heard: unknown[] = []
    const listener = await sql.listen('mapping_changes', (payload) => heard.push(JSON.parse(payload)))
    await using session = await openSession(url)
    const cusips = [makeCusip(1), makeCusip(2), makeCusip(3)]
    const write = (tickers: (string | null)[], at: string) =>
      session.sql`
        select from upsert_mappings('{CUSIP,CUSIP,CUSIP}', ${cusips}, ${tickers}, ${at}::text::timestamptz)`
    await write(['A', 'B', null], '2020-01-01Z')
    await write(['A', 'B', null], '2020-01-02Z')
    await write(['A', 'C', 'D'], '2020-01-03Z')
    await write(['X', 'Y', 'Z'], '2020-01-02Z')
    await session.sql`select clear_cache()`
    await session.sql`select clear_cache()`
    await session.sql`select pg_notify('mapping_changes', '"end"')`
    await until('the end is heard', () => heard.at(-1) === 'end')
    await listener.unlisten()
    const cleared = (heard[2] as { since: string }).since
    assert.ok(Math.abs(Date.parse(cleared) - Date.now()) < 60_000)
    assert.equal(heard, [
      { closed: 0, opened: 3, since: '2020-01-01T00:00:00.000000Z' },
      { closed: 2, opened: 2, since: '2020-01-03T00:00:00.000000Z' },
      { closed: 3, opened: 0, since: cleared },
      'end',
    ])
  })
})

test.run()
