import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withRollback } from '../support/database.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { failureOf, observe, resolve } from '../support/mappings.ts'

const test = suite('restore_rows')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]
type Table = 'security_mappings' | 'sightings'

const dumped = async (sql: Sql, table: Table): Promise<object[]> => {
  const schema = table === 'sightings' ? 'figi_private' : 'public'
  return (
    await sql.unsafe(`select to_jsonb(t) as row from ${schema}.${table} t order by to_jsonb(t)::text`)
  ).map(({ row }) => row)
}

const restore = async (sql: Sql, table: Table | 'other', rows: readonly object[]) =>
  (
    await sql<{ place: number; outcome: string; reason: string | null }[]>`
      select r.place::int, r.outcome, r.reason
      from figi_private.restore_rows(${table}, ${JSON.stringify(rows)}::text::jsonb) r`
  ).map((row) => ({ ...row }))

const outcomes = async (sql: Sql, table: Table, rows: readonly object[]) =>
  (await restore(sql, table, rows)).map(({ outcome }) => outcome)

/** Live answers, imported history around them, negatives and rivals. */
async function fill(sql: Sql): Promise<void> {
  await sql`
    select figi_private.record_sightings(
      '{CUSIP,CUSIP,CUSIP,CUSIP}', ${[1, 1, 2, 3].map(makeCusip)}, '{A,B,C,null}',
      '{2020-01-01,2020-02-03,2020-03-02,null}', '{2020-01-02,2020-02-04,null,null}', '{null,null,2020-03-02,2021-01-01}',
      '{null,"{\\"name\\": \\"Café, Inc.\\"}",null,null}', 'import'
    )`
  await observe(sql, 'CUSIP', makeCusip(1), 'B', '2021-05-05 12:34:56.789012Z')
  await observe(sql, 'CUSIP', makeCusip(4), null, '2021-05-05Z')
  await sql`select upsert_mapping('CUSIP', ${makeCusip(5)}, 'X', alternatives => '[{"ticker": "Y"}]')`
}

test('what was dumped comes back to the last column, ids and times included, and once is enough', () =>
  withRollback(async (sql) => {
    await fill(sql)
    const mappings = await dumped(sql, 'security_mappings')
    const sightings = await dumped(sql, 'sightings')
    assert.is(mappings.length, 7)
    await sql`select purge_cache()`
    assert.equal(
      await outcomes(sql, 'security_mappings', mappings),
      mappings.map(() => 'imported'),
    )
    assert.equal(
      await outcomes(sql, 'sightings', sightings),
      sightings.map(() => 'imported'),
    )
    for (let time = 0; time < 2; time += 1) {
      assert.equal(await dumped(sql, 'security_mappings'), mappings)
      assert.equal(await dumped(sql, 'sightings'), sightings)
      assert.equal(
        await outcomes(sql, 'security_mappings', mappings),
        mappings.map(() => 'unchanged'),
      )
      assert.equal(
        await outcomes(sql, 'sightings', sightings),
        sightings.map(() => 'unchanged'),
      )
    }
    await observe(sql, 'CUSIP', makeCusip(8), 'NEW')
    const [ids] = await sql`select count(*) = count(distinct id) as are_distinct from security_mappings`
    assert.is(ids?.are_distinct, true)
  }))

test('a row that contradicts what is there is rejected with its reason, and takes no other along', () =>
  withRollback(async (sql) => {
    await fill(sql)
    const rows = await dumped(sql, 'security_mappings')
    await sql`select purge_cache()`
    await observe(sql, 'CUSIP', makeCusip(4), 'OTHER', '2020-01-01Z')
    const [first] = rows as [Record<string, unknown>]
    const result = await restore(sql, 'security_mappings', [
      ...rows,
      { ...first, id: 900, ticker: 'ELSE' },
      { ...first, id: 901, identifier_value: '037833101' },
      { ...first, id: 902, start_date: 'no date' },
    ])
    assert.is(result.filter(({ outcome }) => outcome === 'imported').length, rows.length - 1)
    const reasons = result.flatMap(({ reason }) => (reason === null ? [] : [reason])).sort()
    assert.is(reasons.length, 4)
    assert.match(reasons[0] ?? '', "'037833101' is not a valid CUSIP")
    assert.match(reasons[1] ?? '', 'invalid input syntax')
    assert.match(reasons[2] ?? '', 'has another open period of this identifier')
    assert.match(reasons[3] ?? '', 'has another period of this identifier that begins at the same time')
    assert.is((await resolve(sql, 'CUSIP', makeCusip(4))).ticker, 'OTHER')
  }))

test('rows whose id is taken come in under another one', () =>
  withRollback(async (sql) => {
    await observe(sql, 'CUSIP', makeCusip(1), 'A')
    const [row] = (await dumped(sql, 'security_mappings')) as [{ id: number }]
    assert.equal(await outcomes(sql, 'security_mappings', [{ ...row, identifier_value: makeCusip(2) }]), [
      'imported',
    ])
    const ids = await sql`select id from security_mappings`
    assert.is(new Set(ids.map(({ id }) => id)).size, 2)
  }))

test('sightings join those that are there, and their periods follow', () =>
  withRollback(async (sql) => {
    await fill(sql)
    const sightings = await dumped(sql, 'sightings')
    await sql`select purge_cache()`
    await observe(sql, 'CUSIP', makeCusip(1), 'B', '2021-05-05Z')
    await restore(sql, 'sightings', sightings)
    assert.is((await resolve(sql, 'CUSIP', makeCusip(1), { asOf: '2020-01-15Z' })).ticker, 'A')
    assert.is((await resolve(sql, 'CUSIP', makeCusip(1), { asOf: '2020-09-09Z' })).ticker, 'B')
    const bad = await restore(sql, 'sightings', [
      { ...sightings[0], identifier_value: 'x' },
      { ...sightings[0], seen: 'y' },
    ])
    assert.equal(
      bad.map(({ outcome }) => outcome),
      ['rejected', 'rejected'],
    )
  }))

test('a table that no dump has is refused', () =>
  withRollback(async (sql) => {
    const failure = await failureOf(sql.savepoint((s) => restore(s as Sql, 'other', [])))
    assert.is(failure?.code, 'PF002')
  }))

test.run()
