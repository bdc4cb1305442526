import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withDatabase, withRollback } from '../support/database.ts'
import fc from '../support/fast_check.ts'
import { derivedHistory, type SightedDays, type Standing } from '../support/history_model.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { failureOf, observe, openSession, periodsOf, resolve } from '../support/mappings.ts'

const test = suite('record_sightings')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

interface Record {
  readonly value: string
  readonly ticker: string | null
  readonly from: string | null
  readonly until?: string | null
  readonly heldAt?: string | null
  readonly details?: object | null
}

interface Counts {
  readonly imported: number
  readonly unchanged: number
  readonly excluded: number
}

async function record(
  sql: Sql,
  records: readonly Record[],
  source: 'import' | 'sec_ftd' = 'sec_ftd',
): Promise<Counts> {
  const [row] = await sql<[Counts]>`
    select r.imported::int, r.unchanged::int, r.excluded::int
    from figi_private.record_sightings(
      ${records.map(() => 'CUSIP')}::text[], ${records.map((one) => one.value)}::text[],
      ${records.map((one) => one.ticker)}::text[], ${records.map((one) => one.from)}::text[]::timestamptz[],
      ${records.map((one) => one.until ?? null)}::text[]::timestamptz[],
      ${records.map((one) => one.heldAt ?? null)}::text[]::timestamptz[],
      ${records.map((one) => (one.details ? JSON.stringify(one.details) : null))}::text[]::jsonb[], ${source}
    ) r`
  return { ...row }
}

const day = (date: string, ticker: string | null, value = CUSIP): Record => {
  const next = new Date(Date.parse(`${date}Z`) + 86_400_000).toISOString()
  return { value, ticker, from: `${date}T00:00:00Z`, until: next }
}
const seenNow = (at: string, ticker: string | null, value = CUSIP): Record => ({
  value,
  ticker,
  from: at,
  heldAt: at,
})

const CUSIP = '835699307'

/** The history in short: ticker, start and end by day, an open end empty. */
const inShort = async (sql: Sql, value = CUSIP) =>
  (await periodsOf(sql, 'CUSIP', value)).map(
    ({ ticker, start, end }) => `${ticker} ${shortly(start)}..${shortly(end ?? '')}`,
  )
const shortly = (instant: string) => instant.replace(' 00:00:00', '').slice(0, 16)

test('two tickers of one identifier: the first sighting of the later one is the boundary', () =>
  withRollback(async (sql) => {
    const counts = await record(sql, [
      day('2020-08-17', 'SNE'),
      day('2021-04-06', 'SONY'),
      day('2021-04-13', 'SONY'),
      day('2021-03-09', 'SNE'),
    ])
    assert.equal(counts, { imported: 4, unchanged: 0, excluded: 0 })
    assert.equal(await inShort(sql), ['SNE 2020-08-17..2021-04-06', 'SONY 2021-04-06..2021-04-14'])
    for (const [asOf, ticker] of [
      ['2020-08-16T23:59:59Z', null],
      ['2020-08-17Z', 'SNE'],
      ['2021-03-20Z', 'SNE'],
      ['2021-04-05T23:59:59Z', 'SNE'],
      ['2021-04-06Z', 'SONY'],
      ['2021-04-13T23:59:59Z', 'SONY'],
      ['2021-04-14Z', null],
    ] as const) {
      assert.is((await resolve(sql, 'CUSIP', CUSIP, { asOf })).ticker, ticker, asOf)
    }
    assert.is((await resolve(sql, 'CUSIP', CUSIP)).status, 'miss', 'sightings never are an open row')
  }))

test('A in August and October, and B in September that comes in later, are three periods', () =>
  withRollback(async (sql) => {
    await record(sql, [day('2020-08-03', 'A'), day('2020-10-05', 'A')])
    assert.equal(await inShort(sql), ['A 2020-08-03..2020-10-06'])
    await record(sql, [day('2020-09-07', 'B')])
    assert.equal(await inShort(sql), [
      'A 2020-08-03..2020-09-07',
      'B 2020-09-07..2020-10-05',
      'A 2020-10-05..2020-10-06',
    ])
  }))

test('a live answer with the same ticker bridges the last period, another one does not', () =>
  withRollback(async (sql) => {
    await record(sql, [day('2021-04-13', 'BRKB'), day('2021-04-13', 'CTL', makeCusip(2))])
    await observe(sql, 'CUSIP', CUSIP, 'BRK/B', '2026-01-01Z')
    await observe(sql, 'CUSIP', makeCusip(2), 'LUMN', '2026-01-01Z')
    assert.equal(await inShort(sql), ['BRK/B 2021-04-13..2026-01-01', 'BRK/B 2026-01-01..'])
    assert.equal(await inShort(sql, makeCusip(2)), ['CTL 2021-04-13..2021-04-14', 'LUMN 2026-01-01..'])
    assert.is((await resolve(sql, 'CUSIP', CUSIP, { asOf: '2023-05-05Z' })).ticker, 'BRK/B')
  }))

test('what OpenFIGI said stands: sightings fill the time before it and between, and are counted where they do not show', () =>
  withRollback(async (sql) => {
    await observe(sql, 'CUSIP', CUSIP, 'LIVE', '2021-01-01Z')
    await sql`update security_mappings set end_date = '2021-02-01Z'`
    await observe(sql, 'CUSIP', CUSIP, 'LATER', '2021-06-01Z')
    const before = await sql`table security_mappings order by id`
    const counts = await record(sql, [
      day('2020-12-01', 'OLD'),
      day('2021-01-15', 'OTHER'),
      day('2021-03-01', 'GAP'),
      day('2021-07-01', 'LATE'),
      day('2021-01-20', 'LIVE'),
    ])
    assert.equal(counts, { imported: 5, unchanged: 0, excluded: 2 })
    assert.equal(await inShort(sql), [
      'OLD 2020-12-01..2020-12-02',
      'LIVE 2021-01-01..2021-02-01',
      'GAP 2021-03-01..2021-03-02',
      'LATER 2021-06-01..',
    ])
    assert.equal(
      await sql`select * from security_mappings where not is_derived order by id`,
      before,
      'not a column of what stands has changed',
    )
  }))

test('a cache entry holds until something else is known, and is the open row until then', () =>
  withRollback(async (sql) => {
    await record(sql, [seenNow('2025-11-02T14:03:22Z', 'AAPL')], 'import')
    const [open] = await sql`select *, last_fetched_date::text as fetched from security_mappings`
    assert.is(open?.end_date, null)
    assert.is(open?.source, 'import')
    assert.is(open?.last_fetched_date.toISOString(), '2025-11-02T14:03:22.000Z')
    await record(sql, [seenNow('2025-12-24T00:00:00Z', null)], 'import')
    assert.equal(await inShort(sql), ['AAPL 2025-11-02 14:03..2025-12-24', 'null 2025-12-24..'])
    await observe(sql, 'CUSIP', CUSIP, 'NEW', '2026-01-01Z')
    assert.equal(await inShort(sql), [
      'AAPL 2025-11-02 14:03..2025-12-24',
      'null 2025-12-24..2026-01-01',
      'NEW 2026-01-01..',
    ])
  }))

test('an import later than the live answer changes nothing of it', () =>
  withRollback(async (sql) => {
    await observe(sql, 'CUSIP', CUSIP, 'LIVE', '2026-01-01Z')
    assert.equal(await record(sql, [seenNow('2026-02-01T00:00:00Z', 'OTHER')], 'import'), {
      imported: 1,
      unchanged: 0,
      excluded: 1,
    })
    assert.equal(await inShort(sql), ['LIVE 2026-01-01..'])
  }))

test('a negative that nobody can date is stale at once, and says nothing where anything else is known', () =>
  withRollback(async (sql) => {
    const undated = (value: string): Record => ({
      value,
      ticker: null,
      from: null,
      heldAt: '2026-11-01T00:00:00Z',
    })
    const values = [1, 2, 3].map(makeCusip) as [string, string, string]
    await record(sql, [day('2020-01-06', 'SEEN', values[1])])
    await observe(sql, 'CUSIP', values[2], 'LIVE', '2026-01-01Z')
    await record(sql, values.map(undated), 'import')
    assert.is((await resolve(sql, 'CUSIP', values[0])).status, 'stale')
    assert.is((await resolve(sql, 'CUSIP', values[0], { maxAge: '100 years' })).status, 'stale')
    assert.equal(await inShort(sql, values[1]), ['SEEN 2020-01-06..2020-01-07'])
    assert.equal(await inShort(sql, values[2]), ['LIVE 2026-01-01..'])
    await record(sql, [day('2020-01-06', 'SEEN', values[0])])
    assert.equal(await inShort(sql, values[0]), ['SEEN 2020-01-06..2020-01-07'])
    assert.equal(await record(sql, values.map(undated), 'import'), {
      imported: 0,
      unchanged: 3,
      excluded: 0,
    })
  }))

test('one ticker spelled in several ways is one period, in the spelling of the better source', () =>
  withRollback(async (sql) => {
    await record(sql, [day('2020-01-06', 'BRKB'), day('2020-03-02', 'BRKB')])
    await record(sql, [day('2020-02-03', 'BRK.B')], 'import')
    assert.equal(await inShort(sql), ['BRK.B 2020-01-06..2020-03-03'])
    const [row] = await sql`select source, is_derived from security_mappings`
    assert.equal({ ...row }, { source: 'import', is_derived: true })
  }))

test('the details are those of the latest sighting of the best source, whatever came first', () =>
  withRollback(async (sql) => {
    const named = (date: string, name: string) => ({ ...day(date, 'A'), details: { name } })
    await record(sql, [named('2020-03-02', 'NEW NAME'), named('2020-01-06', 'OLD NAME')])
    await record(sql, [named('2020-02-03', 'MIDDLE NAME')])
    const nameOf = async () => (await sql<{ name: string }[]>`select name from security_mappings`)[0]?.name
    assert.is(await nameOf(), 'NEW NAME')
    await record(sql, [{ ...day('2020-01-07', 'A'), details: { name: 'Own', figi: 'BBG1' } }], 'import')
    assert.is(await nameOf(), 'Own')
  }))

test('rows that are right already are not touched', () =>
  withRollback(async (sql) => {
    const records = [day('2020-01-06', 'A'), day('2020-03-02', 'B'), day('2020-03-02', 'X', makeCusip(9))]
    await record(sql, records)
    const table = () => sql`select *, updated_at::text as touched from security_mappings order by id`
    const before = await table()
    assert.equal(await record(sql, records), { imported: 0, unchanged: 3, excluded: 0 })
    await record(sql, [day('2020-06-01', 'B')])
    const after = await table()
    assert.equal(
      [after[0], after[2]].map((row) => row?.id),
      [before[0]?.id, before[2]?.id],
    )
    assert.equal(after.filter((row, place) => row.touched !== before[place]?.touched).length, 1)
  }))

test('a cleared cache stays cleared: what was imported is history, and is not opened again by the same file', () =>
  withRollback(async (sql) => {
    const file = [seenNow('2026-01-01T00:00:00Z', 'A'), seenNow('2026-01-01T00:00:00Z', 'B', makeCusip(3))]
    await record(sql, file, 'import')
    await sql`select clear_cache()`
    assert.is((await resolve(sql, 'CUSIP', CUSIP)).status, 'miss')
    await record(sql, file, 'import')
    await record(sql, [day('2025-01-06', 'A')])
    assert.is((await resolve(sql, 'CUSIP', CUSIP)).status, 'miss')
    assert.is((await resolve(sql, 'CUSIP', CUSIP, { asOf: '2026-02-01Z' })).ticker, 'A')
  }))

test('what was before a clear stays as it was, whatever is answered or imported afterwards', () =>
  withRollback(async (sql) => {
    await record(sql, [day('2020-03-09', 'SNE')])
    await record(sql, [seenNow('2021-04-06T00:00:00Z', 'SONY')], 'import')
    const before = 'SNE 2020-03-09..2021-04-06'
    assert.is((await inShort(sql))[0], before)
    await sql`select clear_cache()`
    assert.is((await inShort(sql))[0], before)
    await observe(sql, 'CUSIP', CUSIP, 'SONY')
    await record(sql, [day('2020-03-10', 'SNE')])
    assert.is((await inShort(sql))[0], before)
  }))

test('a point between the digits of a bond is no spelling', () =>
  withRollback(async (sql) => {
    await record(sql, [day('2020-01-06', 'T 4.5 05/15/38'), day('2020-03-02', 'T 45 05/15/38')])
    assert.is((await inShort(sql)).length, 2)
  }))

test('a change that comes about because its past is imported later is recorded later', () =>
  withDatabase(async ({ sql: pool }) => {
    const sql = pool as unknown as Sql
    await record(sql, [day('2021-04-06', 'BBB')])
    const [{ since }] = await sql<[{ since: string }]>`select clock_timestamp()::text as since`
    await record(sql, [day('2021-03-06', 'AAA')])
    const changes = await sql`
      select kind, from_ticker, to_ticker
      from mapping_changes('-infinity')
      where recorded_at >= ${since}::text::timestamptz`
    assert.equal(
      changes.map((row) => ({ ...row })),
      [
        { kind: 'first_seen', from_ticker: null, to_ticker: 'AAA' },
        { kind: 'renamed', from_ticker: 'AAA', to_ticker: 'BBB' },
      ],
    )
  }))

test('purge_cache forgets what was imported as well', () =>
  withRollback(async (sql) => {
    await record(sql, [day('2020-01-06', 'A'), day('2020-03-02', 'B')])
    await sql`select resolve_mapping('CUSIP', ${makeCusip(5)})`
    const [row] = await sql`select purge_cache()::int as forgotten`
    assert.is(row?.forgotten, 2)
    for (const table of [
      'public.security_mappings',
      'figi_private.sightings',
      'figi_private.fetch_requests',
    ]) {
      const [left] = await sql.unsafe(`select count(*)::int as count from ${table}`)
      assert.is(left?.count, 0, table)
    }
  }))

test('writes nothing where it fails, and only in read committed', () =>
  withDatabase(async ({ url }) => {
    await using session = await openSession(url)
    const sql = session.sql as unknown as Sql
    const failed = await failureOf(
      record(sql, [day('2020-01-06', 'A'), { value: 'nonsense', ticker: 'B', from: '2020-01-06Z' }]),
    )
    assert.is(failed?.code, '23514')
    assert.is((await sql`table figi_private.sightings`).length, 0)
    await sql`begin isolation level repeatable read`
    const strict = await failureOf(record(sql, [day('2020-01-06', 'A')]))
    await sql`rollback`
    assert.is(strict?.code, 'PF003')
    for (const statement of ['select clear_cache()', 'select purge_cache()']) {
      await sql`begin isolation level repeatable read`
      assert.is((await failureOf(sql.unsafe(statement)))?.code, 'PF003', statement)
      await sql`rollback`
    }
  }))

// Below, random histories by the day, each of an identifier of its own so that one run tries many.
const DAYS = 40
const epoch = Date.parse('2020-01-01T00:00:00Z')
const instant = (n: number) => new Date(epoch + n * 86_400_000).toISOString()
const dayOf = (date: Date | null) => (date === null ? null : (date.getTime() - epoch) / 86_400_000)

const sightedDays = fc
  .record({
    ticker: fc.constantFrom('A', 'B', 'B/', 'C', ''),
    source: fc.constantFrom('import' as const, 'sec_ftd' as const),
    from: fc.nat(DAYS - 2),
    days: fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, fc.integer({ min: 1, max: 6 })),
    isHeld: fc.boolean(),
  })
  .map(({ ticker, source, from, days, isHeld }): SightedDays => {
    const until = Math.min(from + (source === 'sec_ftd' ? 1 : days), DAYS - 1)
    return { ticker, source, from, until, heldOn: isHeld && source === 'import' ? until - 1 : null }
  })

/** A live answer, or a file's record. */
const event = fc.oneof(
  { weight: 3, arbitrary: fc.record({ sighted: sightedDays }) },
  {
    weight: 1,
    arbitrary: fc.record({
      live: fc.record({ ticker: fc.constantFrom('A', 'B', 'B/', ''), day: fc.nat(DAYS - 2) }),
    }),
  },
)

const asRecord = (one: SightedDays, value: string): Record => ({
  value,
  ticker: one.ticker || null,
  from: instant(one.from),
  until: instant(one.until),
  heldAt: one.heldOn === null ? null : instant(one.heldOn),
})

async function tableOf(sql: Sql) {
  const rows = await sql<
    { value: string; ticker: string | null; start_date: Date; end_date: Date | null; is_derived: boolean }[]
  >`
    select m.identifier_value as value, m.ticker, m.start_date, m.end_date, m.is_derived
    from security_mappings m
    order by m.identifier_value, m.start_date`
  return rows.map((row) => ({
    value: row.value,
    ticker: row.ticker ?? '',
    from: dayOf(row.start_date) as number,
    until: dayOf(row.end_date),
    isDerived: row.is_derived,
  }))
}

test('whatever the order and interleaving with live answers, the periods are those of a plain model', () =>
  withDatabase(async ({ sql: pool }) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(event, { minLength: 1, maxLength: 9 }), { minLength: 40, maxLength: 40 }),
        (histories) =>
          pool
            .begin(async (sql) => {
              const longest = Math.max(...histories.map((events) => events.length))
              for (let place = 0; place < longest; place += 1) {
                for (const source of ['import', 'sec_ftd'] as const) {
                  const records = histories.flatMap((events, n) => {
                    const one = events[place]
                    return one && 'sighted' in one && one.sighted.source === source
                      ? [asRecord(one.sighted, makeCusip(n))]
                      : []
                  })
                  if (records.length > 0) await record(sql, records, source)
                }
                for (const [n, events] of histories.entries()) {
                  const one = events[place]
                  if (one && 'live' in one)
                    await observe(sql, 'CUSIP', makeCusip(n), one.live.ticker || null, instant(one.live.day))
                }
              }
              const rows = await tableOf(sql)
              for (const [n, events] of histories.entries()) {
                const own = rows.filter((row) => row.value === makeCusip(n))
                const standing: Standing[] = own.filter((row) => !row.isDerived)
                const sighted = events.flatMap((one) => ('sighted' in one ? [one.sighted] : []))
                assert.equal(
                  own
                    .filter((row) => row.isDerived)
                    .map(({ ticker, from, until }) => ({ ticker, from, until })),
                  derivedHistory(sighted, standing, DAYS),
                  JSON.stringify({ sighted, standing }),
                )
              }
              throw new Error('roll back')
            })
            .catch((error) => {
              if (error.message !== 'roll back') throw error
            }),
      ),
      { numRuns: 12, endOnFailure: true },
    )
  }))

test('any order, any parts and any number of times give the same table', () =>
  withDatabase(async ({ sql: pool }) => {
    const inOneWay = (groups: readonly (readonly SightedDays[])[], seed: number) =>
      pool
        .begin(async (sql) => {
          for (const group of groups) {
            for (const source of ['import', 'sec_ftd'] as const) {
              const of = group.filter((one) => one.source === source)
              if (of.length > 0)
                await record(
                  sql,
                  of.map((one, n) => asRecord(one, makeCusip(n % 5))),
                  source,
                )
            }
          }
          const rows = await tableOf(sql)
          throw Object.assign(new Error('roll back'), { rows, seed })
        })
        .catch((error) => {
          if (error.message === 'roll back') return error.rows
          throw error
        })
    await fc.assert(
      fc.asyncProperty(
        fc.array(sightedDays, { minLength: 5, maxLength: 40 }),
        fc.nat(),
        async (days, seed) => {
          // An identifier is told from the place, so parts are made of multiples of five.
          const parts = Array.from({ length: Math.ceil(days.length / 5) }, (_, n) =>
            days.slice(n * 5, n * 5 + 5),
          )
          const bySource = parts.map((part) =>
            part.map((one) => ({ ...one, source: 'import' as const, heldOn: null })),
          )
          const whole = await inOneWay(bySource, seed)
          const shuffled = [...bySource, ...bySource.slice(0, 2)]
            .map((part, n) => ({ part, key: (n * 7919 + seed) % 101 }))
            .sort((one, other) => one.key - other.key)
            .map(({ part }) => part)
          assert.equal(await inOneWay(shuffled, seed), whole)
        },
      ),
      { numRuns: 15, endOnFailure: true },
    )
  }))

test.run()
