import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Sql } from '../../src/database/connect.ts'
import { Importer } from '../../src/import/importer.ts'
import { withDatabase } from '../support/database.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { readAt, sourceOf } from '../support/memory_source.ts'

const mapping = (n: number) => ({
  ...{
    id: n,
    identifier_type: 'CUSIP',
    identifier_value: makeCusip(n),
    ticker: `T${n}`,
    has_no_results: false,
  },
  ...{
    start_date: '2020-01-01T00:00:00+00:00',
    end_date: null,
    last_fetched_date: '2020-01-01T00:00:00+00:00',
  },
  ...{
    source: 'import',
    alternatives: [],
    is_derived: false,
    figi: null,
    created_at: null,
    updated_at: null,
  },
})
const sighting = (n: number) => ({
  ...{
    identifier_type: 'CUSIP',
    identifier_value: makeCusip(n),
    ticker: `T${n}`,
    source: 'import',
    details: null,
  },
  ...{ seen: '{["2020-01-01 00:00:00+00","2020-02-01 00:00:00+00")}', held: '{}', details_at: null },
})

/** For each column what must never be stored in it. */
const hostile: Readonly<Record<string, readonly unknown[]>> = {
  id: ['9223372036854775807', 9.3e18, 2 ** 63, 1.5, -1, 0, {}, 'x'],
  identifier_type: [null, 'FIGI', 5, {}],
  identifier_value: [null, '037833101', '', 'x', 5, [], '0'.repeat(100_000)],
  ticker: ['', {}, [], 5, true],
  start_date: [
    null,
    'infinity',
    '-infinity',
    'now',
    'tomorrow',
    '294277-01-01',
    '0001-01-01 BC',
    5,
    '2021-02-30',
    '',
  ],
  end_date: ['infinity', '2019-01-01', '2020-01-01T00:00:00+00:00', 'x', {}],
  last_fetched_date: [null, 'infinity', 'epoch', '9'.repeat(50)],
  created_at: ['infinity', 'now', 5],
  updated_at: ['-infinity', {}],
  source: [null, 'me', '', 5],
  alternatives: [{}, 'x', 5],
  figi: [{}, 5, []],
  is_derived: ['x', 5],
}

const ofSightings: Readonly<Record<string, readonly unknown[]>> = {
  identifier_value: ['037833101', null, {}],
  ticker: [{}, 5],
  source: ['me', null],
  seen: ['{(,)}', '{[,2020-01-01)}', 'x', {}, '{[infinity,]}', null],
  held: ['{(,)}', 'x'],
  details: ['x', 5, [], { name: { x: 1 } }, { name: 5 }],
  details_at: ['infinity', 'now'],
}

test('of a dump what is no row of ours is rejected, each by itself, and the others are as they were', () =>
  withDatabase(async ({ sql }) => {
    const lines: string[] = ['{"pgfigi_dump":1}']
    let n = 0
    const add = (row: object) => lines.push(JSON.stringify(row))
    const wrong = (table: string, base: object, columns: typeof hostile) => {
      for (const [column, values] of Object.entries(columns))
        for (const value of values) {
          n += 1
          add({
            [table]: { ...(table === 'sightings' ? sighting(n) : mapping(n)), ...base, [column]: value },
          })
        }
    }
    wrong('security_mappings', {}, hostile)
    wrong('sightings', {}, ofSightings)
    add({ pg_authid: mapping(n + 1) })
    add({ fetch_requests: { identifier_value: makeCusip(n + 2) } })
    lines.push(
      'null',
      '5',
      '{}',
      '[1]',
      'x',
      '{"security_mappings":null}',
      '{"security_mappings":[]}',
      '{"__proto__":{}}',
    )
    const bad = lines.length - 1
    const good = [1_001, 1_002, 1_003].map(mapping)
    for (const row of good) add({ security_mappings: { ...row, extra: 1 } })
    add({ security_mappings: { ...mapping(1_002), id: 7, ticker: 'OTHER' } })
    const reasons: string[] = []
    const importer = new Importer({
      sql: sql as unknown as Sql,
      reading: { preference: ['any'], now: readAt, onWarning: () => {}, onBytes: () => {} },
      onAway() {},
      onRejects: async (rejects) =>
        void reasons.push(
          ...rejects.map(({ place, reason }) => `${lines[place.line - 1]?.slice(0, 300)}: ${reason}`),
        ),
    })
    await importer.take(sourceOf(Buffer.from(`${lines.join('\n')}\n`)))
    await importer.finish()
    assert.equal(
      reasons.filter((reason) => /"T100[1-3]"/.test(reason)),
      [],
    )
    const rows = await sql`select identifier_value, ticker from public.security_mappings order by 1`
    const expected = good.map(({ identifier_value, ticker }) => ({ identifier_value, ticker }))
    assert.equal(
      rows.map((row) => ({ ...row })),
      expected.toSorted((a, b) => (a.identifier_value < b.identifier_value ? -1 : 1)),
    )
    const { read, imported, unchanged, rejected } = importer.counts
    assert.equal(
      { read, imported, unchanged, rejected },
      { read: bad + 4, imported: 3, unchanged: 0, rejected: bad + 1 },
    )
    assert.is(reasons.length, bad + 1)
    assert.equal([...(await sql`select * from figi_private.broken_laws(true)`)], [])
    // The sequence still has numbers to give.
    await sql`select public.upsert_mapping('CUSIP', '037833100', 'AAPL')`
  }))

test.run()
