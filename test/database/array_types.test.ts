import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { connect, type Sql } from '../../src/database/connect.ts'
import { packageRoot } from '../support/cluster.ts'
import { withDatabase } from '../support/database.ts'
import fc from '../support/fast_check.ts'

const test = suite('arrays')

function withPool(prepare: boolean, work: (sql: Sql) => Promise<void>): Promise<void> {
  return withDatabase(async ({ url }) => {
    const sql = connect(url, { max: 2, prepare })
    try {
      await work(sql)
    } finally {
      await sql.end({ timeout: 1 })
    }
  })
}

const text = fc.oneof(
  fc.string({ unit: 'grapheme' }).map((some) => some.replaceAll('\0', '')),
  fc.constantFrom('', 'null', 'NULL', '{}', '"', '\\', ',', ' a ', '\\"', 'a\nb'),
)

for (const prepare of [true, false]) {
  test(`of texts come and go as they are, whatever is in them${prepare ? '' : ', also unprepared'}`, () =>
    withPool(prepare, (sql) =>
      fc.assert(
        fc.asyncProperty(fc.array(fc.option(text)), async (texts) => {
          const [row] = await sql<[{ sent: unknown; back: unknown; short: unknown }]>`
            select
              to_json(${texts}::text[]) as sent,
              ${texts}::text[] as back,
              ${texts}::varchar[] as short`
          assert.equal(row, { sent: texts, back: texts, short: texts })
        }),
        { numRuns: 200 },
      ),
    ))
}

test('of several dimensions, with bounds, as literals, and where there is none', () =>
  withPool(true, async (sql) => {
    const [row] = await sql`
      select
        array[['a', null], ['b,"', '}']] as two,
        '[3:4]={a,b}'::text[] as bounds,
        '{}'::text[] as none,
        null::text[] as missing,
        ${'{x,y}'}::text[] as literal,
        array['ab '::char(3)] as padded`
    assert.equal(row, {
      two: [
        ['a', null],
        ['b,"', '}'],
      ],
      bounds: ['a', 'b'],
      none: [],
      missing: null,
      literal: ['x', 'y'],
      padded: ['ab '],
    })
  }))

test('of any other type are not sent by pgfigi: the driver does not know them', async () => {
  const { glob } = await import('node:fs/promises')
  const others: string[] = []
  for await (const file of glob('{src,tasks}/**/*.ts', { cwd: packageRoot })) {
    const source = await readFile(join(packageRoot, file), 'utf8')
    for (const [cast] of source.matchAll(/\}::(?!text\[\])\w[\w ]*\[\]/g)) others.push(`${file}: ${cast}`)
    const connects = /^import postgres\b/m.test(source) && /\bpostgres\(/.test(source)
    if (connects && !source.includes('...driverOptions('))
      others.push(`${file}: connects without driverOptions, which keep the driver from asking for types`)
  }
  assert.equal(others, [])
})

test.run()
