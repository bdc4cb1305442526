import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createInProcessBudget } from '../../src/openfigi/budget.ts'
import { orAborted } from '../../src/waiting.ts'
import fc from '../support/fast_check.ts'

/** A clock that only moves when told to, with sleepers that wake in order. */
function virtualClock() {
  let time = 0
  const sleepers: { at: number; wake: () => void }[] = []
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve))
  return {
    now: () => time,
    sleep: (milliseconds: number, signal?: AbortSignal) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      sleepers.push({ at: time + milliseconds, wake: resolve })
      return orAborted(promise, signal)
    },
    async advance(milliseconds: number) {
      const end = time + milliseconds
      await settle()
      for (;;) {
        sleepers.sort((a, b) => a.at - b.at)
        const next = sleepers[0]
        if (!next || next.at > end) break
        sleepers.shift()
        time = Math.max(time, next.at)
        next.wake()
        await settle()
      }
      time = end
    },
  }
}

function budgetOn(clock: ReturnType<typeof virtualClock>, capacity: number, windowMs: number) {
  const budget = createInProcessBudget({ capacity, windowMs, now: clock.now, sleep: clock.sleep })
  const sends: { who: number; at: number }[] = []
  let next = 0
  return {
    ...budget,
    sends,
    times: () => sends.map(({ at }) => at),
    ask(signal?: AbortSignal) {
      const who = next++
      return budget.acquire(signal).then(() => {
        sends.push({ who, at: clock.now() })
      })
    },
  }
}

test('the first `capacity` requests go at once, the next when the oldest leaves the window', async () => {
  const clock = virtualClock()
  const budget = budgetOn(clock, 3, 1000)
  for (let i = 0; i < 7; i++) void budget.ask()
  await clock.advance(0)
  assert.equal(budget.times(), [0, 0, 0])
  await clock.advance(999)
  assert.equal(budget.sends.length, 3)
  await clock.advance(5000)
  assert.equal(budget.times(), [0, 0, 0, 1000, 1000, 1000, 2000])
})

test('unlike a token bucket it never lets a burst and a refill add up', async () => {
  const clock = virtualClock()
  const budget = budgetOn(clock, 25, 6000)
  void budget.ask()
  await clock.advance(5999)
  for (let i = 0; i < 60; i++) void budget.ask()
  await clock.advance(5999)
  assert.equal(budget.times().filter((at) => at >= 5999 && at < 11_999).length, 25)
})

test('slots are handed out in the order in which they were asked for', async () => {
  const clock = virtualClock()
  const budget = budgetOn(clock, 2, 100)
  for (let i = 0; i < 9; i++) void budget.ask()
  await clock.advance(1000)
  assert.equal(
    budget.sends.map(({ who }) => who),
    [0, 1, 2, 3, 4, 5, 6, 7, 8],
  )
})

test('a block holds everybody back, also those who wait already', async () => {
  const clock = virtualClock()
  const budget = budgetOn(clock, 1, 100)
  void budget.ask()
  void budget.ask()
  await clock.advance(50)
  await budget.block(500)
  await clock.advance(499)
  assert.equal(budget.times(), [0])
  await clock.advance(1)
  assert.equal(budget.times(), [0, 550])
})

test('a block is never shortened by a later, shorter one', async () => {
  const clock = virtualClock()
  const budget = budgetOn(clock, 5, 100)
  await budget.block(500)
  await budget.block(10)
  await budget.block(-5)
  await budget.block(Number.NaN)
  void budget.ask()
  await clock.advance(1000)
  assert.equal(budget.times(), [500])
})

test('`exhausted` is ignored where our own log already holds `capacity` sends within the window', async () => {
  const clock = virtualClock()
  const budget = budgetOn(clock, 2, 1000)
  void budget.ask()
  await clock.advance(400)
  void budget.ask()
  await clock.advance(0)
  await budget.exhausted(30_000)
  void budget.ask()
  await clock.advance(5000)
  assert.equal(budget.times(), [0, 400, 1000])
})

test('`exhausted` blocks where our own log does not account for it: somebody else uses the key', async () => {
  const clock = virtualClock()
  const budget = budgetOn(clock, 2, 1000)
  void budget.ask()
  await clock.advance(0)
  await budget.exhausted(30_000)
  void budget.ask()
  await clock.advance(60_000)
  assert.equal(budget.times(), [0, 30_000])
})

test('`exhausted` blocks where the log is full but its sends have left the window', async () => {
  const clock = virtualClock()
  const budget = budgetOn(clock, 1, 1000)
  void budget.ask()
  await clock.advance(1000)
  await budget.exhausted(500)
  void budget.ask()
  await clock.advance(60_000)
  assert.equal(budget.times(), [0, 1500])
})

test('an aborted wait rejects at once with the reason of the signal, and costs no slot', async () => {
  const clock = virtualClock()
  const budget = budgetOn(clock, 1, 1000)
  void budget.ask()
  const first = new AbortController()
  const queued = new AbortController()
  const failures: unknown[] = []
  budget.ask(first.signal).catch((error) => failures.push(error))
  budget.ask(queued.signal).catch((error) => failures.push(error))
  void budget.ask()
  await clock.advance(10)
  queued.abort(new Error('not the first in the queue'))
  await clock.advance(0)
  first.abort(new Error('the first'))
  await clock.advance(2000)
  assert.equal(failures.map(String), ['Error: not the first in the queue', 'Error: the first'])
  assert.equal(budget.times(), [0, 1000])
})

test('a signal that is aborted already takes no slot', async () => {
  const clock = virtualClock()
  const budget = budgetOn(clock, 1, 1000)
  let failure: unknown
  await budget.ask(AbortSignal.abort(new Error('too late'))).catch((error) => {
    failure = error
  })
  assert.is(String(failure), 'Error: too late')
  await budget.ask()
  assert.equal(budget.times(), [0])
})

test('whatever comes when: no window holds more than `capacity`, order is kept, blocks are obeyed', async () => {
  const event = fc.record({
    pause: fc.integer({ min: 0, max: 40 }),
    action: fc.constantFrom('ask', 'ask', 'ask', 'ask', 'block', 'exhausted', 'abort'),
    milliseconds: fc.integer({ min: 0, max: 120 }),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 100 }),
      fc.array(event, { maxLength: 40 }),
      async (capacity, windowMs, events) => {
        const clock = virtualClock()
        const budget = budgetOn(clock, capacity, windowMs)
        const blocks: [from: number, to: number][] = []
        const controllers: AbortController[] = []
        let asked = 0
        let aborted = 0
        for (const { pause, action, milliseconds } of events) {
          await clock.advance(pause)
          if (action === 'ask') {
            const controller = new AbortController()
            controllers.push(controller)
            asked += 1
            budget.ask(controller.signal).catch(() => {
              aborted += 1
            })
          } else if (action === 'block') {
            await clock.advance(0)
            await budget.block(milliseconds)
            blocks.push([clock.now(), clock.now() + milliseconds])
          } else if (action === 'exhausted') {
            await budget.exhausted(milliseconds)
          } else {
            controllers[milliseconds % (controllers.length || 1)]?.abort(new Error('enough'))
          }
        }
        await clock.advance(100_000)
        const times = budget.times()
        for (const [i, at] of times.entries()) {
          const before = times[i - capacity]
          assert.ok(before === undefined || at - before >= windowMs, `${times} within ${windowMs}`)
          assert.not(blocks.some(([from, to]) => at > from && at < to))
        }
        const order = budget.sends.map(({ who }) => who)
        assert.equal(
          order,
          order.toSorted((a, b) => a - b),
        )
        assert.is(order.length + aborted, asked)
      },
    ),
    { numRuns: 150 },
  )
})

test('on the real clock it waits, and leaves no timer behind when it is aborted', async () => {
  const budget = createInProcessBudget({ capacity: 1, windowMs: 60 })
  const started = performance.now()
  await budget.acquire()
  await budget.acquire()
  assert.ok(performance.now() - started >= 60)
  await budget.block(3_600_000)
  const controller = new AbortController()
  const waiting = budget.acquire(controller.signal).catch((error) => error)
  await new Promise((resolve) => setImmediate(resolve))
  controller.abort(new Error('shutting down'))
  assert.is((await waiting).message, 'shutting down')
  assert.not(process.getActiveResourcesInfo().includes('Timeout'))
})

test('a capacity or a window that makes no sense is refused', () => {
  assert.throws(() => createInProcessBudget({ capacity: 0, windowMs: 1000 }), /capacity/)
  assert.throws(() => createInProcessBudget({ capacity: 1.5, windowMs: 1000 }), /capacity/)
  assert.throws(() => createInProcessBudget({ capacity: 1, windowMs: 0 }), /windowMs/)
  assert.throws(() => createInProcessBudget({ capacity: 1, windowMs: Number.NaN }), /windowMs/)
})

test.run()
