import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readContent } from './reading.ts'

const test = suite('negatives that nobody can date')

const head = 'identifier_type,identifier_value,ticker,has_no_results,start_date,end_date,last_fetched_date'

test('stay undated through an export and an import', async () => {
  const { sightings } = await readContent(
    [
      head,
      'CUSIP,437076102,,true,2022-01-05T00:00:00Z,,1900-01-01T00:00:00Z',
      'CUSIP,037833100,,true,2022-01-05T00:00:00Z,,2022-02-05T00:00:00Z',
      'CUSIP,594918104,,true,2022-01-05T00:00:00Z,2022-03-05T00:00:00Z,1900-01-01T00:00:00Z',
    ].join('\n'),
  )
  const [start, later, end] = ['2022-01-05', '2022-02-05', '2022-03-05']
  assert.equal(
    sightings.map(([, , ticker, ...times]) => [ticker, ...times]),
    [
      [null, null, null, start],
      [null, start, later, later],
      [null, start, end, null],
    ],
  )
})

test.run()
