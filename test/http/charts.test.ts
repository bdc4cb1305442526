import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { chartsOf, spanOf } from '../../src/http/charts.ts'
import { chart, ranges } from '../../src/http/models.ts'

const test = suite('the charts')

const now = new Date('2026-11-22T18:07:31Z')

test('span their range in whole buckets, of which the last is the one that is not over', () => {
  const spans = ranges.map((range) => spanOf(range, now))
  assert.equal(
    spans.map(({ bucketSeconds, at }) => [
      bucketSeconds,
      at.length,
      at[0]?.toISOString(),
      at.at(-1)?.toISOString(),
    ]),
    [
      [60, 60, '2026-11-22T17:08:00.000Z', '2026-11-22T18:07:00.000Z'],
      [600, 144, '2026-11-21T18:10:00.000Z', '2026-11-22T18:00:00.000Z'],
      [7200, 84, '2026-11-15T20:00:00.000Z', '2026-11-22T18:00:00.000Z'],
    ],
  )
})

test('add up what was counted by its label, with zeros where nothing was, and nulls where nothing was measured', () => {
  const at = new Date('2026-11-22T18:06:00Z')
  const charts = chartsOf(
    spanOf('1h', now),
    [
      { at, counter: 'lookups', labels: { type: 'CUSIP', status: 'hit', source: 'process' }, count: 3 },
      { at, counter: 'lookups', labels: { type: 'ISIN', status: 'hit', source: 'database' }, count: 4 },
      { at, counter: 'openfigi_requests', labels: { code: '429' }, count: 1 },
      { at: new Date('2026-11-22T16:00:00Z'), counter: 'lookups', labels: { status: 'hit' }, count: 99 },
    ],
    [{ at, found: 10, negatives: 2, ended: 1 }],
  )
  for (const each of charts) chart.parse(each)
  const valuesOf = (name: string, label: string) =>
    charts.find((one) => one.name === name)?.series.find((series) => series.label === label)?.values
  assert.equal(valuesOf('lookups', 'hit'), [...Array(58).fill(0), 7, 0])
  assert.equal(valuesOf('lookups', 'miss'), Array(60).fill(0))
  assert.equal(valuesOf('requests', '429')?.slice(-2), [1, 0])
  assert.equal(valuesOf('requests', '200'), Array(60).fill(0))
  assert.equal(valuesOf('growth', 'found'), [...Array(58).fill(null), 10, null])
  assert.equal(
    charts.map(({ unit }) => unit),
    ['lookups per minute', 'requests per minute', 'changes per minute', 'rows'],
  )
})

test.run()
