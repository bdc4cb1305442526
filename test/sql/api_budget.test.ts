import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withDatabase, withRollback } from '../support/database.ts'
import fc from '../support/fast_check.ts'
import { openSession, type Session } from '../support/mappings.ts'

const test = suite('the shared budget')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

/** The instants reserved, in milliseconds on the database's clock, as the log says while its row is still locked. */
async function reserve({ sql }: Session, capacity: number, window: string, times: number): Promise<number[]> {
  const slots: number[] = []
  for (let time = 0; time < times; time++) {
    await sql`begin`
    const [told] = await sql<[{ earliest: number; latest: number }]>`
      with before as materialized (select clock_timestamp() as at),
      slot as materialized (select b.at, figi_private.reserve_api_slot('b', ${capacity}, ${window}::text::interval) as wait from before b)
      select
        extract(epoch from s.at + s.wait)::float8 * 1000 as earliest,
        extract(epoch from clock_timestamp() + s.wait)::float8 * 1000 as latest
      from slot s`
    const slot = ((await logged(sql)).at(-1) as number) / 1000
    await sql`commit`
    assert.ok(slot >= told.earliest - EXACT && slot <= told.latest + EXACT, 'the wait is that until the slot')
    slots.push(slot)
  }
  return slots
}

/** What is lost of an instant, in milliseconds, where it is a number. */
const EXACT = 0.0015

/** What the log says was reserved, exact to the microsecond. */
const logged = async (sql: Pick<Session['sql'], 'unsafe'>) => {
  const rows = await sql.unsafe<{ at: string }[]>(
    `select (extract(epoch from at) * 1000000)::bigint::text as at from figi_private.api_budgets b, unnest(b.sent_at) at`,
  )
  return rows.map((row) => Number(row.at))
}

/** No window, wherever it begins, holds more than the capacity. */
function assertWithin(slots: readonly number[], capacity: number, windowMs: number): void {
  const sorted = slots.toSorted((a, b) => a - b)
  for (let n = capacity; n < sorted.length; n++) {
    const span = (sorted[n] as number) - (sorted[n - capacity] as number)
    assert.ok(span >= windowMs - EXACT, `${capacity + 1} slots within ${span} ms`)
  }
}

const wait = async (sql: Sql, budget = 'b', capacity = 2, window = '1 second') => {
  const [row] = await sql<[{ ms: number }]>`
    select (extract(epoch from figi_private.reserve_api_slot(${budget}, ${capacity}, ${window}::text::interval)) * 1000)::float8 as ms`
  return row.ms
}

const blockedFor = async (sql: Sql, budget = 'b') => {
  const [row] = await sql<[{ ms: number | null }]>`
    select (extract(epoch from figi_private.api_blocked_for(${budget})) * 1000)::float8 as ms`
  return row.ms
}

/** Says whether a wait is as long as it was when this began, less what has passed since, however long that was. */
function since(began = performance.now()) {
  return (ms: number | null | undefined, expected: number, name: string) => {
    const least = expected - (performance.now() - began) - 100
    assert.ok(ms != null && ms > least && ms <= expected + 1, `${name}: ${ms} and not ${expected}`)
  }
}

test('as many as the capacity go at once, the next wait for their window', async () => {
  await withRollback(async (sql) => {
    const near = since()
    const waits = []
    for (let n = 0; n < 6; n++) waits.push(await wait(sql, 'b', 2, '100 seconds'))
    assert.equal(waits.slice(0, 2), [0, 0])
    near(waits[2], 100_000, 'third')
    near(waits[3], 100_000, 'fourth')
    near(waits[4], 200_000, 'fifth')
    near(waits[5], 200_000, 'sixth')
    assert.is(await wait(sql, 'another'), 0, 'another budget knows nothing of it')
  })
})

test('the log keeps no more than the capacity', async () => {
  await withRollback(async (sql) => {
    for (let n = 0; n < 40; n++) await wait(sql, 'b', 25, '7 seconds')
    assert.is((await logged(sql)).length, 25)
  })
})

test('sessions that reserve 200 slots at once never put more than the capacity into any window, and waste none', async () => {
  await withDatabase(async ({ url }) => {
    const sessions = await Promise.all(Array.from({ length: 20 }, () => openSession(url)))
    const began = performance.now()
    const slots = await Promise.all(sessions.map((session) => reserve(session, 25, '7 seconds', 10)))
    const took = performance.now() - began
    await Promise.all(sessions.map((session) => session[Symbol.asyncDispose]()))
    const all = slots.flat()
    assert.is(all.length, 200)
    assertWithin(all, 25, 7_000)
    // The last of the first window was reserved while they all were.
    const span = Math.max(...all) - Math.min(...all)
    assert.ok(span <= 7 * 7_000 + took, `200 slots over ${span} ms`)
  })
})

test('whatever is reserved with whatever pauses, no window in the log is overfull', async () => {
  await withRollback(async (sql) => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 40 }),
        fc.array(fc.constantFrom('reserve', 'reserve', 'reserve', 'block', 'pass'), {
          minLength: 5,
          maxLength: 25,
        }),
        async (capacity, windowMs, steps) => {
          await sql`truncate figi_private.api_budgets`
          const slots: number[] = []
          for (const step of steps) {
            if (step === 'block') await sql`select figi_private.block_api_budget('b', '15 ms')`
            else if (step === 'pass') await sql`select pg_sleep(0.012)`
            else {
              await sql`select figi_private.reserve_api_slot('b', ${capacity}, ${`${windowMs} ms`}::text::interval)`
              slots.push((await logged(sql)).at(-1) as number)
            }
          }
          assert.equal(
            slots,
            slots.toSorted((a, b) => a - b),
          )
          assertWithin(
            slots.map((one) => one / 1000),
            capacity,
            windowMs,
          )
        },
      ),
      { numRuns: 25 },
    )
  })
})

test('a blocked budget sends nothing before the block ends, and then no more than the capacity', async () => {
  await withRollback(async (sql) => {
    const near = since()
    await sql`select figi_private.block_api_budget('b', '200 seconds')`
    near(await blockedFor(sql), 200_000, 'blocked')
    near(await wait(sql, 'b', 2, '100 seconds'), 200_000, 'first')
    near(await wait(sql, 'b', 2, '100 seconds'), 200_000, 'second')
    near(await wait(sql, 'b', 2, '100 seconds'), 300_000, 'third')
  })
})

test('a block that comes after a slot was reserved is told to who waits for it', async () => {
  await withRollback(async (sql) => {
    await wait(sql)
    assert.is(await blockedFor(sql), 0)
    const near = since()
    await sql`select figi_private.block_api_budget('b', '200 seconds')`
    near(await blockedFor(sql), 200_000, 'blocked')
    near(await wait(sql), 200_000, 'the next slot')
  })
})

test('a shorter block never lifts a longer one, and one of no length lifts none', async () => {
  await withRollback(async (sql) => {
    const near = since()
    await sql`select figi_private.block_api_budget('b', '200 seconds')`
    await sql`select figi_private.block_api_budget('b', '1 second')`
    await sql`select figi_private.block_api_budget('b', '0')`
    await sql`select figi_private.block_api_budget('b', '-1 hour')`
    near(await blockedFor(sql), 200_000, 'blocked')
    const nearLonger = since()
    await sql`select figi_private.block_api_budget('b', '300 seconds')`
    nearLonger(await blockedFor(sql), 300_000, 'blocked for longer')
  })
})

test('a budget that nobody blocked is open, whether it is known or not', async () => {
  await withRollback(async (sql) => {
    assert.ok(((await blockedFor(sql, 'unknown')) ?? 0) === 0)
    await wait(sql)
    assert.is(await blockedFor(sql), 0)
  })
})

test('where our own log is full, that nothing remains is no news; else it blocks', async () => {
  await withRollback(async (sql) => {
    for (let n = 0; n < 2; n++) await wait(sql, 'b', 2, '100 seconds')
    await sql`select figi_private.exhaust_api_budget('b', 2, '100 seconds', '50 seconds')`
    assert.is(await blockedFor(sql), 0, 'it was we')
    const near = since()
    await wait(sql, 'c', 2, '100 seconds')
    await sql`select figi_private.exhaust_api_budget('c', 2, '100 seconds', '50 seconds')`
    near(await blockedFor(sql, 'c'), 50_000, 'somebody else')
    await sql`select figi_private.exhaust_api_budget('d', 2, '100 seconds', '50 seconds')`
    near(await blockedFor(sql, 'd'), 50_000, 'never heard of')
  })
})

test('two sessions that reserve for the first time at once both get a slot', async () => {
  await withDatabase(async ({ url }) => {
    const sessions = await Promise.all(Array.from({ length: 10 }, () => openSession(url)))
    const slots = await Promise.all(sessions.map((session) => reserve(session, 5, '2 seconds', 1)))
    assertWithin(slots.flat(), 5, 2_000)
    assert.is((await logged((sessions[0] as Session).sql)).length, 5)
    await Promise.all(sessions.map((session) => session[Symbol.asyncDispose]()))
  })
})

test('open_api_slots says how many could go now, and reserves none', async () => {
  await withRollback(async (sql) => {
    const open = async (budget = 'b') => {
      const [row] = await sql<[{ open: number }]>`
        select figi_private.open_api_slots(${budget}, 3, '100 seconds') as open`
      return row.open
    }
    assert.is(await open(), 3)
    assert.is(await open(), 3)
    for (const left of [2, 1, 0, 0]) {
      await wait(sql, 'b', 3, '100 seconds')
      assert.is(await open(), left)
    }
    await wait(sql, 'c', 3, '10 ms')
    await sql`select figi_private.block_api_budget('c', '1 minute')`
    assert.is(await open('c'), 0)
  })
})

test.run()
