import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { monotonicNow } from '../../src/monotonic.ts'

const test = suite('monotonicNow')

test('goes on while the machine sleeps, which performance.now() does not count', () => {
  const { now } = performance
  const before = monotonicNow()
  assert.ok(Math.abs(before - performance.now()) < 100)
  performance.now = () => now.call(performance) - 5000
  try {
    const after = monotonicNow()
    if (process.platform === 'darwin') return
    assert.ok(after - before > -100 && after - before < 1000, `${after - before} ms went by`)
  } finally {
    performance.now = now
  }
})

test('does not care what the clock of the day says', () => {
  const { now } = Date
  const before = monotonicNow()
  Date.now = () => now() - 400 * 86_400_000
  try {
    const passed = monotonicNow() - before
    assert.ok(passed >= 0 && passed < 1000, `${passed} ms went by`)
  } finally {
    Date.now = now
  }
})

test.run()
