import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { safeCell } from '../../src/import/spreadsheets.ts'
import { withRollback } from '../support/database.ts'

const test = suite('spreadsheet_safe')

test('puts an apostrophe before what a spreadsheet would run, and leaves everything else', async () => {
  await withRollback(async (sql) => {
    const formulas = ['=1+1', '+1', '-1', '@SUM(A1)', '\tx', '\rx', '＝1', '＋1', '－1', '＠x', '=']
    const plain = ['', 'AAPL', '1-2', ' =1', "'=1", '\n=1', '[{"a": "=1"}]', 'é', '€']
    const values = [...formulas, ...plain, null]
    const rows = await sql`
      select spreadsheet_safe(v) as safe from unnest(${values}::text[]) with ordinality as x (v, place) order by place`
    assert.equal(
      rows.map((row) => row.safe),
      [...formulas.map((text) => `'${text}`), ...plain, null],
    )
    assert.equal(
      [...formulas, ...plain].map(safeCell),
      rows.slice(0, -1).map((row) => row.safe),
      'and safeCell does the same',
    )
  })
})

test.run()
