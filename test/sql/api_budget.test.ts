import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withDatabase, withRollback } from '../support/database.ts'
import fc from '../support/fast_check.ts'
import { openSession } from '../support/mappings.ts'

const test = suite('the shared budget')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

/** The instants reserved, in milliseconds on the database's clock, each from the wait and the clock of its own statement. */
async function reserve(
  sql: Pick<Sql, 'unsafe'>,
  capacity: number,
  window: string,
  times: number,
): Promise<number[]> {
  const slots: number[] = []
  for (let time = 0; time < times; time++) {
    const [row] = await sql.unsafe<{ at: number }[]>(
      `with slot as materialized (select figi_private.reserve_api_slot('b', $1, $2::text::interval) as wait)
       select extract(epoch from (clock_timestamp() + slot.wait))::float8 * 1000 as at from slot`,
      [capacity, window],
    )
    slots.push(row?.at as number)
  }
  return slots
}

/** What the log says was reserved, exact to the microsecond. */
const logged = async (sql: Pick<Sql, 'unsafe'>) => {
  const rows = await sql.unsafe<{ at: string }[]>(
    `select (extract(epoch from at) * 1000000)::bigint::text as at from figi_private.api_budgets b, unnest(b.sent_at) at`,
  )
  return rows.map((row) => Number(row.at))
}

/** No window, wherever it begins, holds more than the capacity. */
function assertWithin(slots: readonly number[], capacity: number, windowMs: number, slackMs: number): void {
  const sorted = slots.toSorted((a, b) => a - b)
  for (let n = capacity; n < sorted.length; n++) {
    const span = (sorted[n] as number) - (sorted[n - capacity] as number)
    assert.ok(span >= windowMs - slackMs, `${capacity + 1} slots within ${span} ms`)
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

const near = (ms: number, expected: number, name: string) =>
  assert.ok(ms > expected - 500 && ms <= expected + 1, `${name}: ${ms} and not ${expected}`)

test('as many as the capacity go at once, the next wait for their window', async () => {
  await withRollback(async (sql) => {
    const waits = []
    for (let n = 0; n < 6; n++) waits.push(await wait(sql, 'b', 2, '10 seconds'))
    assert.equal(waits.slice(0, 2), [0, 0])
    near(waits[2] as number, 10_000, 'third')
    near(waits[3] as number, 10_000, 'fourth')
    near(waits[4] as number, 20_000, 'fifth')
    near(waits[5] as number, 20_000, 'sixth')
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
    const slots = await Promise.all(sessions.map(({ sql }) => reserve(sql, 25, '7 seconds', 10)))
    await Promise.all(sessions.map((session) => session[Symbol.asyncDispose]()))
    const all = slots.flat()
    assert.is(all.length, 200)
    // An instant is read after the row is unlocked, later than the slot was computed: hence the slack.
    assertWithin(all, 25, 7_000, 1_500)
    const span = Math.max(...all) - Math.min(...all)
    assert.ok(span < 7 * 7_000 + 3_000, `200 slots over ${span} ms`)
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
            0.0015,
          )
        },
      ),
      { numRuns: 25 },
    )
  })
})

test('a blocked budget sends nothing before the block ends, and then no more than the capacity', async () => {
  await withRollback(async (sql) => {
    await sql`select figi_private.block_api_budget('b', '20 seconds')`
    near((await blockedFor(sql)) as number, 20_000, 'blocked')
    near(await wait(sql), 20_000, 'first')
    near(await wait(sql), 20_000, 'second')
    near(await wait(sql), 21_000, 'third')
  })
})

test('a block that comes after a slot was reserved is told to who waits for it', async () => {
  await withRollback(async (sql) => {
    await wait(sql)
    assert.is(await blockedFor(sql), 0)
    await sql`select figi_private.block_api_budget('b', '20 seconds')`
    near((await blockedFor(sql)) as number, 20_000, 'blocked')
    near(await wait(sql), 20_000, 'the next slot')
  })
})

test('a shorter block never lifts a longer one, and one of no length lifts none', async () => {
  await withRollback(async (sql) => {
    await sql`select figi_private.block_api_budget('b', '20 seconds')`
    await sql`select figi_private.block_api_budget('b', '1 second')`
    await sql`select figi_private.block_api_budget('b', '0')`
    await sql`select figi_private.block_api_budget('b', '-1 hour')`
    near((await blockedFor(sql)) as number, 20_000, 'blocked')
    await sql`select figi_private.block_api_budget('b', '30 seconds')`
    near((await blockedFor(sql)) as number, 30_000, 'blocked for longer')
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
    for (let n = 0; n < 2; n++) await wait(sql, 'b', 2, '10 seconds')
    await sql`select figi_private.exhaust_api_budget('b', 2, '10 seconds', '5 seconds')`
    assert.is(await blockedFor(sql), 0, 'it was we')
    await wait(sql, 'c', 2, '10 seconds')
    await sql`select figi_private.exhaust_api_budget('c', 2, '10 seconds', '5 seconds')`
    near((await blockedFor(sql, 'c')) as number, 5_000, 'somebody else')
    await sql`select figi_private.exhaust_api_budget('d', 2, '10 seconds', '5 seconds')`
    near((await blockedFor(sql, 'd')) as number, 5_000, 'never heard of')
  })
})

test('two sessions that reserve for the first time at once both get a slot', async () => {
  await withDatabase(async ({ url }) => {
    const sessions = await Promise.all(Array.from({ length: 10 }, () => openSession(url)))
    const slots = await Promise.all(sessions.map(({ sql }) => reserve(sql, 5, '2 seconds', 1)))
    assertWithin(slots.flat(), 5, 2_000, 1_000)
    assert.is((await logged((sessions[0] as { sql: Pick<Sql, 'unsafe'> }).sql)).length, 5)
    await Promise.all(sessions.map((session) => session[Symbol.asyncDispose]()))
  })
})

test('open_api_slots says how many could go now, and reserves none', async () => {
  await withRollback(async (sql) => {
    const open = async (budget = 'b') => {
      const [row] = await sql<[{ open: number }]>`
        select figi_private.open_api_slots(${budget}, 3, '10 seconds') as open`
      return row.open
    }
    assert.is(await open(), 3)
    assert.is(await open(), 3)
    for (const left of [2, 1, 0, 0]) {
      await wait(sql, 'b', 3, '10 seconds')
      assert.is(await open(), left)
    }
    await wait(sql, 'c', 3, '10 ms')
    await sql`select figi_private.block_api_budget('c', '1 minute')`
    assert.is(await open('c'), 0)
  })
})

test.run()
