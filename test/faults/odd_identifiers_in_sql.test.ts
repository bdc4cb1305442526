import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Sql } from '../../src/database/connect.ts'
import { requestWarming } from '../../src/database/warming.ts'
import { type IdentifierType, identify, normalizeIdentifier } from '../../src/identifiers.ts'
import { amount } from '../support/at_length.ts'
import { withRollback } from '../support/database.ts'
import fc, { caseSeed } from '../support/fast_check.ts'
import { figure } from '../support/figure.ts'
import { oddText } from '../support/odd_identifiers.ts'

/** What Postgres takes for a text at all. */
const texts = (count: number) =>
  fc.sample(oddText, { numRuns: count }).filter((text) => !text.includes('\0') && text.isWellFormed())

const count = amount(1_500, 30_000)

test('each function that is given an identifier says of any text what TypeScript says', () =>
  withRollback(async (sql) => {
    const given = [...texts(count), `${' '.repeat(2 ** 20)}037833100`, '0'.repeat(2 ** 20)]
    for (const type of ['CUSIP', ' isin', 'SEDOL'] as const) {
      const expected = given.map((text) => normalizeIdentifier(type, text))
      const rows = await sql<{ place: string; status: string; identifier_value: string | null }[]>`
        select ordinality as place, status, identifier_value
        from public.resolve_mappings(${type}, ${given}::text[])
        order by ordinality`
      assert.is(rows.length, given.length)
      for (const [n, row] of rows.entries()) {
        assert.is(
          row.status === 'invalid',
          expected[n] === null,
          `seed ${caseSeed}, ${JSON.stringify(given[n])}`,
        )
        if (expected[n]) assert.is(row.identifier_value, expected[n].value)
      }
      const [single] = await sql<[{ rows: number; invalid: number; periods: number }]>`
        select
          count(r.status)::int as rows,
          (count(*) filter (where r.status = 'invalid'))::int as invalid,
          (select count(*)::int from unnest(${given}::text[]) h (text) cross join lateral public.mapping_history(${type}, h.text)) as periods
        from unnest(${given}::text[]) g (text)
        cross join lateral public.resolve_mapping(${type}, g.text) r`
      assert.equal(
        { ...single },
        { rows: given.length, invalid: expected.filter((found) => found === null).length, periods: 0 },
      )
    }
    const distinct = [...new Set(given)]
    const { invalid } = await requestWarming(sql as unknown as Sql, distinct, null)
    assert.is(invalid, distinct.filter((text) => identify(text) === null).length)
    figure(
      `${(given.length * 4).toLocaleString('en-US')} texts in resolve_mapping(s), mapping_history and warm_mappings`,
    )
  }))

test('writers refuse what is no identifier by their own code, and keep the others of the set out with it', () =>
  withRollback(async (sql) => {
    const given = texts(amount(80, 1_500))
    let refused = 0
    for (const text of given) {
      const type: IdentifierType = text.length % 2 === 0 ? 'CUSIP' : 'ISIN'
      const isValid = normalizeIdentifier(type, text) !== null
      const code = await sql
        .savepoint((inner) => inner`select * from public.upsert_mapping(${type}, ${text}, 'X')`)
        .then(
          () => null,
          (error) => error.code,
        )
      assert.is(code, isValid ? null : 'PF001', JSON.stringify(text))
      if (!isValid) refused += 1
    }
    assert.ok(refused > given.length / 3)
    await sql`delete from public.security_mappings`
    for (const text of ['037833101', 'x', '', '0'.repeat(9), '０３７８３３１００', null]) {
      const code = await sql
        .savepoint(
          (inner) =>
            inner`select * from public.upsert_mappings(array['CUSIP', 'CUSIP'], ${['037833100', text]}::text[], array['AAPL', 'X'])`,
        )
        .then(
          () => null,
          (error) => error.code,
        )
      assert.is(code, 'PF001', String(text))
    }
    const [left] = await sql`select count(*)::int as rows from public.security_mappings`
    assert.is(left?.rows, 0)
  }))

test.run()
