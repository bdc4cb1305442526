import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withDatabase, withRollback } from '../support/database.ts'
import { makeCusip, makeIsin } from '../support/identifiers_maker.ts'
import { observe, openSession, resolve } from '../support/mappings.ts'
import { rowsRead } from '../support/rows_read.ts'

const test = suite('claim_requests')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

interface Asked {
  readonly priority?: number
  readonly unfiltered?: boolean
  /** How long ago, as an interval. */
  readonly ago?: string
}

/** Requests for numbered CUSIPs, as lookups, warming or refreshing would leave them. */
async function ask(sql: Pick<Sql, 'unsafe'>, numbers: readonly number[], asked: Asked = {}): Promise<void> {
  const { priority = 0, unfiltered = false, ago = '0' } = asked
  for (const n of numbers) {
    await sql.unsafe(
      `insert into figi_private.fetch_requests (identifier_type, identifier_value, priority, unfiltered, requested_at, not_before)
       values ('CUSIP', $1, $2, $3, clock_timestamp() - $4::text::interval, clock_timestamp() - $4::text::interval)`,
      [makeCusip(n), priority, unfiltered, ago],
    )
  }
}

interface Claiming {
  readonly claimant?: string
  readonly max?: number
  readonly size?: number
  readonly lease?: string
  readonly wanted?: readonly number[] | null
}

const numberOf = new Map(Array.from({ length: 2000 }, (_, n) => [makeCusip(n), n]))

/** The numbers of what was claimed, in order, and of which round it was. */
async function claim(
  sql: Pick<Sql, 'unsafe'>,
  options: Claiming = {},
): Promise<{ numbers: number[]; unfiltered?: boolean }> {
  const { claimant = 'me', max = 100, size = max, lease = '1 minute', wanted = null } = options
  const rows = await sql.unsafe<{ identifier_value: string; unfiltered: boolean }[]>(
    `select identifier_value, unfiltered
     from figi_private.claim_requests($1, $2, $3, $4::text::interval, $5::text[], $6::text[])`,
    [
      claimant,
      max,
      size,
      lease,
      wanted?.map(() => 'CUSIP') ?? null,
      wanted?.map(makeCusip) ?? null,
    ] as never[],
  )
  const rounds = new Set(rows.map((row) => row.unfiltered))
  assert.ok(rounds.size <= 1, 'one round at a time')
  const numbers = rows.map((row) => numberOf.get(row.identifier_value) as number)
  return rows[0] ? { numbers, unfiltered: rows[0].unfiltered } : { numbers }
}

const upTo = (n: number, from = 0) => Array.from({ length: n - from }, (_, place) => from + place)

const nextClaim = async (sql: Sql) => {
  const [row] = await sql<[{ seconds: number | null }]>`
    select extract(epoch from figi_private.next_claim_in())::float8 as seconds`
  return row.seconds
}

test('identifiers are claimed in the order in which they were asked for, as many as are wanted at once', async () => {
  await withRollback(async (sql) => {
    await ask(sql, upTo(25))
    assert.equal(await claim(sql, { max: 10 }), { numbers: upTo(10), unfiltered: false })
    assert.equal(await claim(sql, { max: 10 }), { numbers: upTo(20, 10), unfiltered: false })
    assert.equal(await claim(sql, { max: 10 }), { numbers: upTo(25, 20), unfiltered: false })
    assert.equal(await claim(sql, { max: 10 }), { numbers: [] })
  })
})

test('what a hundred sessions asked for is claimed once', async () => {
  await withRollback(async (sql) => {
    for (let session = 0; session < 100; session++) await ask(sql, [1, 2])
    await ask(sql, [3])
    assert.equal((await claim(sql, { max: 100, claimant: 'a' })).numbers, [1, 2, 3])
    assert.equal((await claim(sql, { max: 100, claimant: 'b' })).numbers, [])
  })
})

test('a request that comes in while its identifier is claimed waits for that claim', async () => {
  await withRollback(async (sql) => {
    await ask(sql, [1])
    assert.equal((await claim(sql, { claimant: 'a', lease: '20 s' })).numbers, [1])
    await ask(sql, [1, 2], { priority: 0 })
    assert.equal((await claim(sql, { claimant: 'b', lease: '40 s' })).numbers, [2])
    const wait = await nextClaim(sql)
    assert.ok(wait !== null && wait > 0 && wait <= 20, `${wait}`)
    await sql`select figi_private.release_claims('a', '{CUSIP}', ${[makeCusip(1)]})`
    assert.is(await nextClaim(sql), 0)
    assert.equal((await claim(sql, { claimant: 'b' })).numbers, [1])
  })
})

test('concurrent claimants never get the same identifier, and get all of them', async () => {
  await withDatabase(async ({ sql, url }) => {
    for (let copy = 0; copy < 3; copy++) {
      await sql`
        insert into figi_private.fetch_requests (identifier_type, identifier_value)
        select 'CUSIP', c from unnest(${upTo(1000).map(makeCusip)}::text[]) c`
    }
    const sessions = await Promise.all(upTo(8).map(() => openSession(url)))
    const claimed = await Promise.all(
      sessions.map(async (session, place) => {
        const mine: number[] = []
        for (;;) {
          const { numbers } = await claim(session.sql, { claimant: `claimant ${place}`, max: 20 })
          if (numbers.length === 0) return mine
          mine.push(...numbers)
        }
      }),
    )
    await Promise.all(sessions.map((session) => session[Symbol.asyncDispose]()))
    assert.equal(
      claimed.flat().sort((a, b) => a - b),
      upTo(1000),
    )
  })
})

test('a lease runs out, and another claimant takes over', async () => {
  await withRollback(async (sql) => {
    await ask(sql, [1])
    assert.equal((await claim(sql, { claimant: 'dead', lease: '50 s' })).numbers, [1])
    assert.equal((await claim(sql, { claimant: 'b' })).numbers, [])
    const wait = await nextClaim(sql)
    assert.ok(wait !== null && wait > 0 && wait <= 50, `${wait}`)
    await sql`update figi_private.fetch_requests set claimed_until = claimed_until - interval '50 s'`
    assert.is(await nextClaim(sql), 0)
    assert.equal((await claim(sql, { claimant: 'b' })).numbers, [1])
    await sql`select figi_private.release_claims('dead', '{CUSIP}', ${[makeCusip(1)]}, 'late')`
    const [row] = await sql`select claimed_by from figi_private.fetch_requests`
    assert.is(row?.claimed_by, 'b', 'who lost the lease releases nothing')
  })
})

test('renewing extends the leases of that claimant alone', async () => {
  await withRollback(async (sql) => {
    await ask(sql, upTo(4))
    await claim(sql, { claimant: 'a', max: 2, lease: '1 minute' })
    await claim(sql, { claimant: 'b', max: 2, lease: '1 minute' })
    const [renewed] = await sql`select figi_private.renew_claims('a', '1 hour')::int as count`
    assert.is(renewed?.count, 2)
    const rows = await sql`
      select r.claimed_by, (r.claimed_until > clock_timestamp() + interval '50 minutes') as renewed
      from figi_private.fetch_requests r
      order by r.id`
    assert.equal(
      rows.map((row) => `${row.claimed_by} ${row.renewed}`),
      ['a true', 'a true', 'b false', 'b false'],
    )
  })
})

test('what people wait for goes before warming, and warming before refreshing', async () => {
  await withRollback(async (sql) => {
    await ask(sql, [6, 7], { priority: 2 })
    await ask(sql, [4, 5], { priority: 1 })
    await ask(sql, [2, 3], { priority: 0 })
    await ask(sql, [6], { priority: 0 })
    assert.equal(
      (await claim(sql, { max: 3 })).numbers.toSorted((a, b) => a - b),
      [2, 3, 6],
    )
    assert.equal((await claim(sql, { max: 2 })).numbers, [4, 5])
    assert.equal((await claim(sql, { max: 2 })).numbers, [7])
  })
})

test('who wants some gets these first, and others only to fill the request', async () => {
  await withRollback(async (sql) => {
    await ask(sql, upTo(10))
    assert.equal(
      (await claim(sql, { max: 4, wanted: [8, 9, 500] })).numbers.toSorted((a, b) => a - b),
      [0, 1, 8, 9],
    )
    assert.equal(
      (await claim(sql, { max: 4, wanted: [8, 9, 500] })).numbers,
      [],
      'nothing wanted, nothing taken',
    )
    assert.equal((await claim(sql, { max: 4, wanted: [] })).numbers, [])
    assert.equal((await claim(sql, { max: 4 })).numbers, [2, 3, 4, 5])
  })
})

test('what was fetched after it was asked for is dropped and not fetched again, what was fetched before is', async () => {
  await withRollback(async (sql) => {
    await ask(sql, upTo(6), { ago: '1 hour' })
    for (const n of [0, 1, 2]) await observe(sql, 'CUSIP', makeCusip(n), n === 1 ? null : 'T')
    await observe(sql, 'CUSIP', makeCusip(3), 'OLD', '2020-01-01')
    assert.equal((await claim(sql, { max: 3 })).numbers, [3, 4, 5])
    const rows = await sql`select from figi_private.fetch_requests`
    assert.is(rows.length, 3)
  })
})

test('an isin and a cusip are two requests', async () => {
  await withRollback(async (sql) => {
    assert.is((await resolve(sql, 'CUSIP', makeCusip(1))).fetch_requested, true)
    assert.is((await resolve(sql, 'ISIN', makeIsin(1))).fetch_requested, true)
    const rows =
      await sql`select identifier_type from figi_private.claim_requests('me', 100, 100, '1 minute')`
    assert.equal(rows.map((row) => row.identifier_type).sort(), ['CUSIP', 'ISIN'])
  })
})

test('the filtered round goes first, so that the unfiltered one gathers into full requests', async () => {
  await withRollback(async (sql) => {
    await ask(sql, [10, 11], { unfiltered: true })
    await ask(sql, upTo(3))
    assert.equal(await claim(sql, { max: 3 }), { numbers: [0, 1, 2], unfiltered: false })
    // Else they might have waited for long by now.
    await sql`update figi_private.fetch_requests set not_before = clock_timestamp() where unfiltered`
    assert.equal(
      await claim(sql, { max: 3 }),
      { numbers: [] },
      'the filtered ones are in flight, and may bring more',
    )
    await sql`delete from figi_private.fetch_requests where not unfiltered`
    assert.equal(await claim(sql, { max: 3 }), { numbers: [10, 11], unfiltered: true })
  })
})

test('behind the filtered round the unfiltered one goes when it fills a request, and when it has waited for long', async () => {
  await withRollback(async (sql) => {
    await ask(sql, [10, 11, 12], { unfiltered: true })
    await ask(sql, upTo(3))
    assert.equal(await claim(sql, { max: 3 }), { numbers: [0, 1, 2], unfiltered: false })
    assert.equal(await claim(sql, { max: 3 }), { numbers: [10, 11, 12], unfiltered: true })
    await ask(sql, [13], { unfiltered: true, ago: '11 s' })
    await ask(sql, [3, 4])
    assert.equal(await claim(sql, { max: 3 }), { numbers: [13], unfiltered: true })
    await ask(sql, [14], { unfiltered: true })
    assert.equal(await claim(sql, { max: 3 }), { numbers: [3, 4], unfiltered: false })
    await sql`update figi_private.fetch_requests set not_before = not_before - interval '3 s', requested_at = requested_at - interval '3 s'`
    assert.equal(await claim(sql, { max: 3 }), { numbers: [14], unfiltered: true })
  })
})

test('urgency goes before the round', async () => {
  await withRollback(async (sql) => {
    await ask(sql, [1], { priority: 2 })
    await ask(sql, [2], { priority: 0, unfiltered: true })
    assert.equal(await claim(sql), { numbers: [2], unfiltered: true })
    await ask(sql, upTo(20, 10), { priority: 2, unfiltered: true })
    await ask(sql, [3], { priority: 0 })
    assert.equal((await claim(sql, { max: 10 })).unfiltered, false)
  })
})

test('several requests are claimed at once, the unfiltered ones only as far as they fill requests', async () => {
  await withRollback(async (sql) => {
    await ask(sql, upTo(25))
    assert.equal((await claim(sql, { max: 20, size: 5 })).numbers, upTo(20))
    await sql`delete from figi_private.fetch_requests`
    await ask(sql, upTo(13), { unfiltered: true })
    assert.equal(await claim(sql, { max: 20, size: 5 }), { numbers: upTo(10), unfiltered: true })
    assert.equal(await claim(sql, { max: 20, size: 5 }), { numbers: [10, 11, 12], unfiltered: true })
  })
})

test('nothing gives nothing, and next_claim_in is null', async () => {
  await withRollback(async (sql) => {
    assert.equal(await claim(sql), { numbers: [] })
    assert.equal(await claim(sql, { wanted: [1] }), { numbers: [] })
    assert.is(await nextClaim(sql), null)
    await ask(sql, [1])
    assert.is(await nextClaim(sql), 0)
    await claim(sql, { lease: '1 hour' })
    assert.is(await nextClaim(sql), null, 'not within a minute')
  })
})

test('given back without an error, identifiers can be claimed at once', async () => {
  await withRollback(async (sql) => {
    await ask(sql, [1, 2, 3])
    await claim(sql, { claimant: 'a' })
    await sql`select figi_private.release_claims('a', '{CUSIP,CUSIP}', ${[makeCusip(1), makeCusip(2)]})`
    assert.equal((await claim(sql, { claimant: 'b' })).numbers, [1, 2])
    const [row] = await sql`select setbacks, last_error from figi_private.fetch_requests order by id`
    assert.equal({ ...row }, { setbacks: 0, last_error: null })
  })
})

test('given back with an error, they wait for longer each time, and never give up', async () => {
  await withRollback(async (sql) => {
    await ask(sql, [1])
    const clock = async () => (await sql<[{ now: string }]>`select clock_timestamp()::text as now`)[0].now
    for (let setback = 0; setback < 12; setback++) {
      assert.equal((await claim(sql, { claimant: 'a' })).numbers, [1])
      const before = await clock()
      await sql`select figi_private.release_claims('a', '{CUSIP}', ${[makeCusip(1)]}, 'HTTP 500')`
      const after = await clock()
      const [row] = await sql`
        select
          extract(epoch from r.not_before - ${before}::text::timestamptz)::float8 as most,
          extract(epoch from r.not_before - ${after}::text::timestamptz)::float8 as least,
          r.setbacks, r.attempts, r.gave_up_at, r.last_error, r.claimed_by
        from figi_private.fetch_requests r`
      assert.equal(
        [row?.setbacks, row?.attempts, row?.gave_up_at, row?.last_error, row?.claimed_by],
        [setback + 1, 0, null, 'HTTP 500', null],
      )
      const full = Math.min(2 ** setback, 15)
      assert.ok(
        row?.most >= full * 0.5 && row?.least <= full,
        `pause ${setback}: ${row?.least} to ${row?.most}`,
      )
      await sql`update figi_private.fetch_requests set not_before = not_before + interval '1 minute'`
      assert.equal((await claim(sql, { claimant: 'a' })).numbers, [], 'not before the pause is over')
      await sql`update figi_private.fetch_requests set not_before = clock_timestamp()`
    }
  })
})

test('a hundred thousand requests in the queue make no claim slow', async () => {
  await withRollback(async (sql) => {
    await sql`
      insert into figi_private.fetch_requests (identifier_type, identifier_value)
      select 'CUSIP', lpad(n::text, 9, '0') from generate_series(1, 100000) n`
    await ask(sql, upTo(100))
    for (let time = 0; time < 20; time++) {
      const before = await rowsRead(sql)
      assert.is((await sql`select from figi_private.claim_requests('me', 100, 100, '1 minute')`).length, 100)
      const rows = (await rowsRead(sql)) - before
      // The queue has five times as many; the last of these claims passes over what the first ones took.
      assert.ok(rows < 20_000, `${rows} rows read`)
    }
    const wanted = upTo(100).map(makeCusip)
    const mine = await sql`
      select from figi_private.claim_requests('me', 100, 100, '1 minute', ${wanted.map(() => 'CUSIP')}, ${wanted})`
    assert.is(mine.length, 100)
  })
})

test.run()
