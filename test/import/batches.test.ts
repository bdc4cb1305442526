import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lastIdentifierIn, partsOf } from '../../src/import/batches.ts'
import type { DumpRow } from '../../src/import/records.ts'

const test = suite('the parts of a dump')

const row = (value: string, table: DumpRow['table'] = 'sightings'): DumpRow => ({
  kind: 'dump',
  table,
  row: { identifier_type: 'CUSIP', identifier_value: value },
  place: { file: 'dump', line: 1 },
})
const values = (rows: readonly DumpRow[]) => rows.map((one) => one.row.identifier_value).join('')

test('are never divided between two rows of one identifier', () => {
  const rows = [...'ABBCCCDE'].map((value) => row(value))
  assert.equal([...partsOf(rows, 2)].map(values), ['ABB', 'CCC', 'DE'])
  assert.equal([...partsOf(rows, 100)].map(values), ['ABBCCCDE'])
  assert.equal([...partsOf([], 2)], [])
})

test('and what may go on waits for the rest', () => {
  assert.is(lastIdentifierIn([...'ABBCC'].map((value) => row(value))), 3)
  assert.is(lastIdentifierIn([...'AA'].map((value) => row(value))), 0)
  assert.is(lastIdentifierIn([row('A', 'security_mappings'), row('A')]), 1)
  assert.is(lastIdentifierIn([]), 0)
})

test.run()
