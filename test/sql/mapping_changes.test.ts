import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withRollback } from '../support/database.ts'
import fc from '../support/fast_check.ts'
import { makeCusip, makeIsin } from '../support/identifiers_maker.ts'
import { observe } from '../support/mappings.ts'

const test = suite('mapping_changes')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

const CUSIP = makeCusip(1)
const values = (rows: readonly object[]) => rows.map((row) => Object.values(row))

/** What happened to one identifier: year, kind, from and to. */
async function changes(sql: Sql, identifier = CUSIP, since: string | null = '-infinity') {
  return values(
    await sql`
    select extract(year from c.changed_at at time zone 'UTC')::int, c.kind, c.from_ticker, c.to_ticker
    from mapping_changes(${since}::text::timestamptz) c
    where c.identifier_value = ${identifier}`,
  )
}

/** Closes the open row at the beginning of a year, as a clearing of the cache does. */
async function close(sql: Sql, year: number): Promise<void> {
  await sql`
    update security_mappings set end_date = make_timestamptz(${year}, 1, 1, 0, 0, 0, 'UTC')
    where end_date is null and identifier_value = ${CUSIP}`
}

const observed = (sql: Sql, year: number, ticker: string | null) =>
  observe(sql, 'CUSIP', CUSIP, ticker, `${year}-01-01Z`)

test('tells who was first seen, renamed, retired and revived, from what to what', async () => {
  await withRollback(async (sql) => {
    for (const [year, ticker] of [
      [2010, null],
      [2011, 'A'],
      [2012, 'B'],
      [2013, null],
      [2014, 'C'],
      [2015, null],
      [2016, 'C'],
      [2017, 'A'],
    ] as const)
      await observed(sql, year, ticker)
    const all = [
      [2011, 'first_seen', null, 'A'],
      [2012, 'renamed', 'A', 'B'],
      [2013, 'retired', 'B', null],
      [2014, 'revived', 'B', 'C'],
      [2015, 'retired', 'C', null],
      [2016, 'revived', 'C', 'C'],
      [2017, 'renamed', 'C', 'A'],
    ]
    assert.equal(await changes(sql), all)
    assert.equal(await changes(sql, CUSIP, '2014-01-01Z'), all.slice(3), 'that instant included')
    assert.equal(await changes(sql, CUSIP, '2014-01-01 00:00:00.000001Z'), all.slice(4))
    assert.equal(await changes(sql, CUSIP, 'infinity'), [])
    assert.equal(await changes(sql, CUSIP, null), [])
  })
})

test('across a gap another ticker is a renaming, and the same one no change', async () => {
  await withRollback(async (sql) => {
    await observed(sql, 2010, 'A')
    await close(sql, 2011)
    await observed(sql, 2012, 'A')
    await close(sql, 2013)
    await observed(sql, 2014, 'B')
    await close(sql, 2015)
    await observed(sql, 2016, null)
    await close(sql, 2017)
    await observed(sql, 2018, null)
    await close(sql, 2019)
    await observed(sql, 2020, 'B')
    assert.equal(await changes(sql), [
      [2010, 'first_seen', null, 'A'],
      [2014, 'renamed', 'A', 'B'],
      [2016, 'retired', 'B', null],
      [2020, 'revived', 'B', 'B'],
    ])
  })
})

test('a ticker spelled otherwise is the same ticker', async () => {
  await withRollback(async (sql) => {
    for (const [year, ticker] of [
      [2010, 'BRKB'],
      [2011, 'BRK/B'],
      [2012, 'brk.b'],
      [2013, 'BRK A'],
      [2014, 'T 4 1/2 05/15/35'],
      [2015, '--'],
      [2016, '++'],
    ] as const)
      await observed(sql, year, ticker)
    assert.equal(
      (await changes(sql)).map(([year]) => year),
      [2010, 2013, 2014, 2015, 2016],
    )
    const plain = await sql`
      select figi_private.plain_ticker(t) as plain
      from unnest(array['BRK/B', 'brk.b', ' a1-', '--', '', null]) with ordinality as x (t, place)
      order by x.place`
    assert.equal(
      plain.map((row) => row.plain),
      ['BRKB', 'BRKB', 'A1', '--', '', null],
    )
  })
})

test('changes come in order of time, with name and FIGI, their source, and when they were recorded', async () => {
  await withRollback(async (sql) => {
    const write = (
      type: string,
      value: string,
      ticker: string | null,
      at: string,
      source = 'openfigi',
    ) => sql`
      select from upsert_mapping(
        ${type}, ${value}, ${ticker}, ${at}::text::timestamptz, figi => ${ticker && `F${ticker}`}::text, name => ${ticker && `N${ticker}`}::text,
        source => ${source}
      )`
    await write('ISIN', makeIsin(3), 'Z', '2020-01-02Z')
    await write('CUSIP', makeCusip(2), 'Y', '2020-01-02Z')
    await write('CUSIP', CUSIP, 'X', '2020-01-01Z', 'import')
    await write('CUSIP', CUSIP, null, '2020-01-03Z')
    const rows = await sql`
      select c.identifier_value, c.kind, c.to_ticker, c.name, c.figi, c.source, c.recorded_at > now() - interval '1 hour' as just
      from mapping_changes('2020-01-01Z') c`
    assert.equal(values(rows), [
      [CUSIP, 'first_seen', 'X', 'NX', 'FX', 'import', true],
      [makeCusip(2), 'first_seen', 'Y', 'NY', 'FY', 'openfigi', true],
      [makeIsin(3), 'first_seen', 'Z', 'NZ', 'FZ', 'openfigi', true],
      [CUSIP, 'retired', null, 'NX', 'FX', 'openfigi', true],
    ])
  })
})

test('the changes since any instant are the last of all, whatever was observed', async () => {
  await withRollback(async (sql) => {
    const ticker = fc.constantFrom('A', 'B/1', 'B1', null)
    await fc.assert(
      fc.asyncProperty(fc.array(ticker, { minLength: 1, maxLength: 12 }), fc.nat(12), async (seen, from) => {
        await sql`truncate security_mappings`
        for (const [n, one] of seen.entries()) await observed(sql, 2000 + n, one)
        const expected: unknown[] = []
        let last: string | null = null
        let isRetired = false
        for (const [n, one] of seen.entries()) {
          const plain = one?.replace('/', '')
          if (one === null) {
            if (last !== null && !isRetired) expected.push([2000 + n, 'retired', last, null])
            isRetired = true
          } else {
            if (last === null) expected.push([2000 + n, 'first_seen', null, one])
            else if (isRetired) expected.push([2000 + n, 'revived', last, one])
            else if (last.replace('/', '') !== plain) expected.push([2000 + n, 'renamed', last, one])
            last = one
            isRetired = false
          }
        }
        const since = expected.filter((change) => (change as [number])[0] >= 2000 + from)
        assert.equal(await changes(sql, CUSIP, `${2000 + from}-01-01Z`), since)
      }),
      { numRuns: 40 },
    )
  })
})

/** Thirty thousand identifiers since 2020, a minute apart, and a few changes of late. */
async function fill(sql: Sql): Promise<void> {
  await sql`set local session_replication_role to replica`
  await sql`
    insert into security_mappings (identifier_type, identifier_value, ticker, start_date, last_fetched_date)
    select 'CUSIP', c, 'T', timestamptz '2020-01-01Z' + n * interval '1 minute', '2020-06-01Z'
    from unnest(${Array.from({ length: 30_000 }, (_, n) => makeCusip(n))}::text[]) with ordinality as x (c, n)`
  await sql`set local session_replication_role to origin`
  for (const n of [0, 1, 2]) await observe(sql, 'CUSIP', makeCusip(n), 'NEW', '2021-01-01Z')
  await sql`analyze security_mappings`
}

test('recent changes are found by the BRIN index and the index of the history, and lookups never take the first', async () => {
  await withRollback(async (sql) => {
    await fill(sql)
    const plan = async (query: string) =>
      (await sql.unsafe(`explain ${query}`)).map((row) => row['QUERY PLAN']).join('\n')
    const recent = await plan(`select * from mapping_changes('2020-12-31Z')`)
    assert.match(recent, 'Bitmap Index Scan on security_mappings_recent_starts')
    assert.match(recent, 'Index Scan Backward using security_mappings_history')
    assert.not.match(recent, /Function Scan|Seq Scan|WindowAgg/)
    assert.is((await sql`select from mapping_changes('2020-12-31Z')`).length, 3)

    const lookups = [
      `select * from resolve_mapping('CUSIP', '037833100')`,
      `select * from resolve_mapping('CUSIP', '037833100', '2020-12-31Z')`,
      `select * from resolve_mapping('CUSIP', '037833100', date '2020-01-01')`,
      `select * from resolve_mappings('CUSIP', '{037833100}', '2019-01-01')`,
      `select * from mapping_history('CUSIP', '037833100')`,
      `select * from mappings_as_of('2020-01-01 12:00') m where m.identifier_type = 'CUSIP' and m.identifier_value = '037833100'`,
      `select * from stale_mappings(max_rows => 5)`,
    ]
    for (const query of lookups) assert.not.match(await plan(query), 'recent_starts', query)
    await sql`truncate security_mappings`
    for (const query of lookups) assert.not.match(await plan(query), 'recent_starts', `empty: ${query}`)
  })
})

test.run()
