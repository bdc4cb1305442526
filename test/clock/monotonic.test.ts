import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { monotonicNow } from '../../src/monotonic.ts'

const test = suite('monotonicNow')

test('goes on while the machine sleeps, which performance.now() does not count', () => {
  const { now } = performance
  const began = performance.now()
  const before = monotonicNow()
  assert.ok(before - began > -100 && before - performance.now() < 100)
  performance.now = () => now.call(performance) - 5000
  try {
    const after = monotonicNow()
    if (process.platform === 'darwin') return
    const passed = now.call(performance) - began
    assert.ok(after - before > -100 && after - before < passed + 100, `${after - before} of ${passed} ms`)
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
    assert.ok(passed >= -100 && passed < 60_000, `${passed} ms went by`)
  } finally {
    Date.now = now
  }
})

test.run()
