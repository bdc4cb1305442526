import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withRollback } from '../support/database.ts'
import fc from '../support/fast_check.ts'
import { makeCusip, makeIsin } from '../support/identifiers_maker.ts'
import { observe, type Resolved, resolve, type When } from '../support/mappings.ts'
import { rowsRead } from '../support/rows_read.ts'

const test = suite('resolve_mappings')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

async function resolveAll(
  sql: Sql,
  type: string | null,
  values: readonly (string | null)[] | null,
  { asOf = null, maxAge = null }: When = {},
): Promise<(Resolved & { ordinality: string })[]> {
  const rows = await sql<(Resolved & { ordinality: string })[]>`
    select r.identifier_type, r.identifier_value, r.ticker, r.status, r.fetch_requested, r.resolved_via, r.ordinality
    from public.resolve_mappings(${type}::text, ${values as string[]}::text[], ${asOf}::text::timestamptz, ${maxAge}::text::interval) as r`
  return rows.map((row) => ({ ...row }))
}

test('one row comes for each element, in order, with its place from 1', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', makeCusip(1), 'A')
    await observe(sql, 'CUSIP', makeCusip(2), null)
    await observe(sql, 'CUSIP', makeCusip(3), 'OLD', '2020-01-01')
    await observe(sql, 'ISIN', makeIsin(4), 'SISTER')
    const values = [
      makeCusip(3),
      null,
      makeCusip(1),
      'nonsense',
      makeCusip(5),
      makeCusip(2),
      makeCusip(4),
      '',
      makeCusip(1),
    ]
    const rows = await resolveAll(sql, 'CUSIP', values)
    assert.equal(
      rows.map((row) => [row.ordinality, row.identifier_value, row.ticker, row.status, row.resolved_via]),
      [
        ['1', makeCusip(3), 'OLD', 'stale', 'CUSIP'],
        ['2', null, null, 'invalid', null],
        ['3', makeCusip(1), 'A', 'hit', 'CUSIP'],
        ['4', 'nonsense', null, 'invalid', null],
        ['5', makeCusip(5), null, 'miss', null],
        ['6', makeCusip(2), null, 'negative', 'CUSIP'],
        ['7', makeCusip(4), 'SISTER', 'hit', 'ISIN'],
        ['8', '', null, 'invalid', null],
        ['9', makeCusip(1), 'A', 'hit', 'CUSIP'],
      ],
    )
  })
})

test('an empty array gives no row, nor does null; an array of nulls gives one for each', async () => {
  await withRollback(async (sql) => {
    assert.equal(await resolveAll(sql, 'CUSIP', []), [])
    assert.equal(await resolveAll(sql, 'CUSIP', null), [])
    assert.equal(
      (await resolveAll(sql, 'ISIN', [null, null, null])).map((row) => row.status),
      ['invalid', 'invalid', 'invalid'],
    )
    assert.equal(
      (await resolveAll(sql, null, [makeCusip(1)])).map((row) => row.status),
      ['invalid'],
    )
    const [row] =
      await sql`select count(*)::int as count from resolve_mappings('CUSIP', '{{037833100,x},{y,594918104}}')`
    assert.is(row?.count, 4)
  })
})

test('a thousand times the same miss is requested once', async () => {
  await withRollback(async (sql) => {
    const rows = await resolveAll(sql, 'CUSIP', Array<string>(1000).fill(makeCusip(1)))
    assert.is(rows.length, 1000)
    assert.ok(rows.every((row) => row.status === 'miss' && row.fetch_requested))
    const [row] = await sql`select count(*)::int as count from figi_private.fetch_requests`
    assert.is(row?.count, 1)
  })
})

test('order and places hold for 20,000 elements, in a table large enough for the planner to hash', async () => {
  await withRollback(async (sql) => {
    const known = Array.from({ length: 20_000 }, (_, n) => makeCusip(n))
    await sql`
      select count(*) from upsert_mappings(
        array_fill('CUSIP'::text, array[20000]), ${known}, ${known.map((_, n) => `T${n}`)}
      )`
    await sql`analyze security_mappings`
    const shuffled = known
      .map((one) => [Math.random(), one] as const)
      .sort(([a], [b]) => a - b)
      .map(([, one]) => one)
    const numbers = new Map(known.map((one, n) => [one, n]))
    const rows = await resolveAll(sql, 'cusip', shuffled)
    for (const [place, row] of rows.entries()) {
      const value = shuffled[place] as string
      assert.is(row.ordinality, String(place + 1))
      assert.is(row.identifier_value, value)
      assert.is(row.ticker, `T${numbers.get(value)}`)
    }
    const explained = await sql`
      explain select * from resolve_mappings('CUSIP', ${shuffled.slice(0, 100)}::text[])`
    const plan = explained.map((row) => row['QUERY PLAN']).join('\n')
    assert.not.match(plan, /Function Scan on resolve_mappings/, plan)
  })
})

test('it answers as resolve_mapping does, whatever comes in', async () => {
  await withRollback(async (sql) => {
    for (let n = 0; n < 60; n++) {
      const type = n % 2 ? 'CUSIP' : 'ISIN'
      const value = n % 2 ? makeCusip(n) : makeIsin(n)
      await observe(sql, type, value, n % 5 ? `T${n}` : null, n % 3 ? '2020-01-01Z' : null)
      if (n % 4 === 0) await observe(sql, type, value, 'LATER')
    }
    await sql`update security_mappings set end_date = '2022-01-01Z' where end_date is null and start_date < '2022-01-01Z' and id % 7 = 0`
    const value = fc.oneof(
      fc.nat(80).map(makeCusip),
      fc.nat(80).map((n) => makeIsin(n)),
      fc.nat(80).map((n) => makeCusip(n).toLowerCase().replace(/^0+/, ' ')),
      fc.constantFrom(null, '', 'nonsense'),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('CUSIP', 'ISIN', 'isin ', 'FIGI', null),
        fc.array(value, { maxLength: 8 }),
        fc.constantFrom(null, '2019-01-01Z', '2021-01-01Z', '2023-01-01Z', 'infinity'),
        fc.constantFrom(null, '0', '1000 years', '-1 day'),
        async (type, values, asOf, maxAge) => {
          const together = await resolveAll(sql, type, values, { asOf, maxAge })
          const singly: (Resolved & { ordinality: string })[] = []
          for (const [place, one] of values.entries())
            singly.push({
              ...(await resolve(sql, type, one, { asOf, maxAge })),
              ordinality: String(place + 1),
            })
          assert.equal(together, singly)
        },
      ),
      { numRuns: 150 },
    )
  })
})

test('in a read-only transaction it answers and requests nothing', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', makeCusip(1), 'A')
    await sql`set transaction read only`
    const rows = await resolveAll(sql, 'CUSIP', [makeCusip(1), makeCusip(2)])
    assert.equal(
      rows.map((row) => [row.status, row.fetch_requested]),
      [
        ['hit', false],
        ['miss', false],
      ],
    )
  })
})

test('20,000 misses are all requested, and none looks at the others', async () => {
  await withRollback(async (sql) => {
    const unknown = Array.from({ length: 20_000 }, (_, n) => makeCusip(n))
    const [row] = await sql`
      select count(*) filter (where r.status = 'miss' and r.fetch_requested)::int as requested
      from resolve_mappings('CUSIP', ${unknown}) r`
    assert.is(row?.requested, 20_000)
    const rows = await rowsRead(sql)
    assert.ok(rows < 20_000 * 20, `${rows} rows read`)
    const [queue] = await sql`select count(*)::int as count from figi_private.fetch_requests`
    assert.is(queue?.count, 20_000)
  })
})

test('what is refreshed while the set is looked up comes out whole', async () => {
  await withRollback(async (sql) => {
    const [first, second, third] = [makeCusip(1), makeCusip(2), makeCusip(3)]
    await observe(sql, 'CUSIP', first, 'FIRST')
    await observe(sql, 'CUSIP', second, 'OLD', '2020-01-01')
    await observe(sql, 'CUSIP', third, null, '2020-01-01')
    // The first row of the result changes the others, after the statement's snapshot was taken.
    const rows = await sql`
      select
        r.ticker, r.status, r.has_no_results, r.id::int8 as id, r.start_date < '2021-01-01' as is_old,
        case
          when r.ordinality = 1
          then (upsert_mapping('CUSIP', ${second}, 'NEW')).id + (upsert_mapping('CUSIP', ${third}, 'FOUND')).id
        end as changed
      from resolve_mappings('CUSIP', ${[first, second, third]}) r`
    const ids = (
      await sql`
      select id from security_mappings where end_date is null and identifier_value in (${second}, ${third}) order by ticker desc`
    ).map((row) => row.id)
    assert.equal(
      rows.slice(1).map((row) => [row.ticker, row.status, row.has_no_results, row.id, row.is_old]),
      [
        ['NEW', 'hit', false, ids[0], false],
        ['FOUND', 'hit', false, ids[1], false],
      ],
    )
  })
})

test.run()
