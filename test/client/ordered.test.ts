import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { inOrder } from '../../src/ordered.ts'

const test = suite('results in order')

async function collect<T>(results: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const result of results) all.push(result)
  return all
}

test('come in the order of the items, whichever is ready first', async () => {
  const items = Array.from({ length: 200 }, (_, n) => n)
  const work = async (n: number) => {
    await sleep((n * 7919) % 20)
    return n * 2
  }
  assert.equal(
    await collect(inOrder(items, work)),
    items.map((n) => n * 2),
  )
  assert.equal(await collect(inOrder([], work)), [])
  assert.equal(await collect(inOrder(new Set([3, 1, 2]), work)), [6, 2, 4])
})

test('are begun together, but no more than two chunks of 5,000 ahead', async () => {
  let read = 0
  let begun = 0
  function* source() {
    for (;;) yield read++
  }
  const results = inOrder(source(), async (n) => {
    begun += 1
    return n
  })
  for (let n = 0; n < 3; n++) assert.is((await results.next()).value, n)
  await sleep(20)
  assert.is(begun, 10_000)
  assert.is(read, 10_000)
  for (let n = 3; n <= 5_000; n++) await results.next()
  await sleep(20)
  assert.is(read, 15_000)
  await results.return(undefined)
})

test('come while the source pauses', async () => {
  const goesOn = Promise.withResolvers<void>()
  async function* source() {
    yield 1
    yield 2
    await goesOn.promise
    yield 3
  }
  const results = inOrder(source(), async (n) => n)
  assert.is((await results.next()).value, 1)
  assert.is((await results.next()).value, 2)
  goesOn.resolve()
  assert.is((await results.next()).value, 3)
  assert.is((await results.next()).done, true)
})

test('end the source when nobody wants more', async () => {
  const ends: string[] = []
  function* source(name: string) {
    try {
      for (let n = 0; ; n++) yield n
    } finally {
      ends.push(name)
    }
  }
  for await (const n of inOrder(source('sync'), async (n) => n)) if (n === 3) break
  async function* asyncSource() {
    yield* source('async')
  }
  for await (const n of inOrder(asyncSource(), async (n) => n)) if (n === 3) break
  await sleep(50)
  assert.equal(ends, ['sync', 'async'])
})

test('do not wait for a source that has nothing to say when nobody wants more', async () => {
  async function* source() {
    yield 1
    await new Promise(() => {})
  }
  const keepAlive = setTimeout(() => {}, 10_000)
  for await (const n of inOrder(source(), async (n) => n)) {
    assert.is(n, 1)
    break
  }
  clearTimeout(keepAlive)
})

test('come before the error of the source that ended them', async () => {
  for (const pauses of [true, false]) {
    const seen: number[] = []
    function* items() {
      yield 1
      yield 2
      yield 3
      throw new Error('the file ends in the middle')
    }
    async function* asyncItems() {
      yield* items()
    }
    let failure = ''
    try {
      for await (const n of inOrder(pauses ? asyncItems() : items(), async (n) => n)) seen.push(n)
    } catch (error) {
      failure = (error as Error).message
    }
    assert.equal(seen, [1, 2, 3])
    assert.is(failure, 'the file ends in the middle')
  }
})

test('fail where the work fails, in its turn, and end the source', async () => {
  let isEnded = false
  function* source() {
    try {
      for (let n = 0; n < 10; n++) yield n
      while (true) yield 99
    } finally {
      isEnded = true
    }
  }
  const seen: number[] = []
  let failure = ''
  try {
    for await (const n of inOrder(source(), async (n) => {
      if (n === 5) throw new Error('five')
      return n
    }))
      seen.push(n)
  } catch (error) {
    failure = (error as Error).message
  }
  assert.equal(seen, [0, 1, 2, 3, 4])
  assert.is(failure, 'five')
  await sleep(20)
  assert.ok(isEnded)
})

test.run()
