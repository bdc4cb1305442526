import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Tally } from '../../src/counting/tally.ts'

const test = suite('a tally')

test('adds up what has the same labels, whatever order they stand in, and forgets what was taken', () => {
  const tally = new Tally()
  assert.ok(tally.isEmpty)
  tally.add('lookups', { type: 'CUSIP', status: 'hit', source: 'database' })
  tally.add('lookups', { source: 'database', status: 'hit', type: 'CUSIP' })
  tally.add('lookups', { type: 'ISIN', status: 'hit', source: 'database' }, 5)
  tally.add('budget_waits', {})
  tally.add('budget_wait_milliseconds', {}, 120)
  tally.add('budget_wait_milliseconds', {}, 30)
  assert.not.ok(tally.isEmpty)
  assert.equal(tally.take(), [
    { counter: 'lookups', labels: { type: 'CUSIP', status: 'hit', source: 'database' }, count: 2 },
    { counter: 'lookups', labels: { type: 'ISIN', status: 'hit', source: 'database' }, count: 5 },
    { counter: 'budget_waits', labels: {}, count: 1 },
    { counter: 'budget_wait_milliseconds', labels: {}, count: 150 },
  ])
  assert.ok(tally.isEmpty)
  assert.equal(tally.take(), [])
})

test('goes on counting what it knows where labels take too many values, and keeps no more', () => {
  const tally = new Tally()
  tally.add('openfigi_requests', { code: '200' })
  for (let n = 0; n < 5_000; n += 1) tally.add('openfigi_requests', { code: String(1000 + n) })
  tally.add('openfigi_requests', { code: '200' })
  const counts = tally.take()
  assert.ok(counts.length > 900 && counts.length <= 1_000, String(counts.length))
  assert.equal(counts[0], { counter: 'openfigi_requests', labels: { code: '200' }, count: 2 })
})

test('takes well under a microsecond', () => {
  const tally = new Tally()
  const statuses = ['hit', 'miss', 'negative', 'stale']
  // So short each that one of them is not interrupted, however busy the machine.
  const microseconds = Array.from({ length: 50 }, () => {
    const startedAt = performance.now()
    for (let n = 0; n < 10_000; n += 1) {
      tally.add('lookups', { type: 'CUSIP', status: statuses[n & 3] as string, source: 'database' })
    }
    return (performance.now() - startedAt) / 10
  })
  const best = Math.min(...microseconds)
  console.log(`\n    ${(best * 1000).toFixed(0)} ns a lookup`)
  assert.ok(best < 0.8, String(best))
})

test.run()
