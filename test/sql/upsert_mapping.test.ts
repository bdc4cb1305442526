import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withDatabase, withRollback } from '../support/database.ts'
import fc from '../support/fast_check.ts'
import { makeCusip, makeIsin } from '../support/identifiers_maker.ts'
import { failureOf, observe, type Period, periodsOf, resolve } from '../support/mappings.ts'

const test = suite('upsert_mapping')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

const CUSIP = makeCusip(1)

/** A day of 2020 as Postgres writes it. */
const day = (n: number) => `2020-01-${String(n).padStart(2, '0')} 00:00:00`

const period = (ticker: string | null, start: number, end: number | null, fetched: number): Period => ({
  ticker,
  start: day(start),
  end: end === null ? null : day(end),
  fetched: day(fetched),
})

const observeOn = (sql: Sql, ticker: string | null, n: number) =>
  observe(sql, 'CUSIP', CUSIP, ticker, `${day(n)}Z`)

test('the same ticker again moves the date of the last fetch and nothing else', async () => {
  await withRollback(async (sql) => {
    await observeOn(sql, 'A', 1)
    await observeOn(sql, 'A', 5)
    assert.equal(await periodsOf(sql, 'CUSIP', CUSIP), [period('A', 1, null, 5)])
  })
})

test('another ticker ends the open period and begins the next at that instant', async () => {
  await withRollback(async (sql) => {
    await observeOn(sql, 'A', 1)
    await observeOn(sql, 'A', 2)
    await observeOn(sql, 'B', 5)
    await observeOn(sql, 'A', 6)
    assert.equal(await periodsOf(sql, 'CUSIP', CUSIP), [
      period('A', 1, 5, 2),
      period('B', 5, 6, 5),
      period('A', 6, null, 6),
    ])
  })
})

test('no results is an answer by the same rule', async () => {
  await withRollback(async (sql) => {
    await observeOn(sql, null, 1)
    await observeOn(sql, null, 2)
    await observeOn(sql, 'A', 3)
    await observeOn(sql, null, 4)
    await observeOn(sql, null, 5)
    assert.equal(await periodsOf(sql, 'CUSIP', CUSIP), [
      period(null, 1, 3, 2),
      period('A', 3, 4, 3),
      period(null, 4, null, 5),
    ])
    const rows = await sql`select distinct has_no_results = (ticker is null) as agrees from security_mappings`
    assert.equal(
      rows.map((row) => row.agrees),
      [true],
    )
  })
})

test('an observation older than what is known, or made at the same instant, changes nothing', async () => {
  await withRollback(async (sql) => {
    await observeOn(sql, 'A', 2)
    await observeOn(sql, 'B', 4)
    await observeOn(sql, 'B', 8)
    const before = await sql`select * from security_mappings order by id`
    for (const n of [1, 2, 3, 4, 5, 8])
      for (const ticker of ['A', 'B', 'C', null]) await observeOn(sql, ticker, n)
    assert.equal([...(await sql`select * from security_mappings order by id`)], [...before])
  })
})

test('the latest row comes back, also where nothing was changed', async () => {
  await withRollback(async (sql) => {
    const upsert = async (ticker: string | null, n: number) => {
      const [row] = await sql`
        select u.ticker, u.end_date, u.id, u.source from upsert_mapping('CUSIP', ${CUSIP}, ${ticker}, ${`${day(n)}Z`}::text::timestamptz) u`
      return { ...row }
    }
    const first = await upsert('A', 1)
    assert.is(first.ticker, 'A')
    assert.is(first.end_date, null)
    assert.is(first.source, 'openfigi')
    const second = await upsert('B', 2)
    assert.is(second.ticker, 'B')
    assert.is.not(second.id, first.id)
    assert.equal(await upsert('A', 1), second)
  })
})

test('the identifier is normalised, blanks around a ticker dropped, and a blank one means no results', async () => {
  await withRollback(async (sql) => {
    await observe(sql, ' cusip', '37833100', ' BRK/B ', '2020-01-01Z')
    assert.is((await periodsOf(sql, 'CUSIP', '037833100'))[0]?.ticker, 'BRK/B')
    await observe(sql, 'isin', 'us-037833100 5', '  ', '2020-01-01Z')
    assert.is((await periodsOf(sql, 'ISIN', 'US0378331005'))[0]?.ticker, null)
  })
})

test('without an instant the observation is made now, also late in a long transaction', async () => {
  await withRollback(async (sql) => {
    await sql`select pg_sleep(0.05)`
    const [row] = await sql`
      select u.last_fetched_date > now() + interval '40 ms' as later, u.start_date = u.last_fetched_date as same
      from upsert_mapping('CUSIP', ${CUSIP}, 'A') u`
    assert.equal({ ...row }, { later: true, same: true })
  })
})

test('the columns of a listing are kept where the next observation of the same ticker has none, and replaced where it has', async () => {
  await withRollback(async (sql) => {
    const columns = async () => {
      const [row] = await sql`
        select m.figi, m.name, m.exch_code, m.market_sector, m.source, m.alternatives
        from security_mappings m
        where m.identifier_value = ${CUSIP} and m.end_date is null`
      return { ...row }
    }
    await sql`select from upsert_mapping('CUSIP', ${CUSIP}, 'A', '2020-01-01Z', figi => 'F1', name => 'N1', exch_code => 'US', alternatives => '[{"ticker": "X"}]', source => 'openfigi')`
    await sql`select from upsert_mapping('CUSIP', ${CUSIP}, 'A', '2020-01-02Z', source => 'import')`
    assert.equal(await columns(), {
      figi: 'F1',
      name: 'N1',
      exch_code: 'US',
      market_sector: null,
      source: 'openfigi',
      alternatives: [{ ticker: 'X' }],
    })
    await sql`select from upsert_mapping('CUSIP', ${CUSIP}, 'A', '2020-01-03Z', figi => 'F2', market_sector => 'Equity')`
    assert.equal(await columns(), {
      figi: 'F2',
      name: 'N1',
      exch_code: 'US',
      market_sector: 'Equity',
      source: 'openfigi',
      alternatives: null,
    })
    await sql`select from upsert_mapping('CUSIP', ${CUSIP}, 'B', '2020-01-04Z', source => 'sec_ftd')`
    assert.equal(await columns(), {
      figi: null,
      name: null,
      exch_code: null,
      market_sector: null,
      source: 'sec_ftd',
      alternatives: null,
    })
    await sql`select from upsert_mapping('CUSIP', ${CUSIP}, 'B', '2020-01-05Z')`
    assert.is((await columns()).source, 'openfigi', 'OpenFIGI confirms')
    const [closed] =
      await sql`select figi, name, source from security_mappings where identifier_value = ${CUSIP} and ticker = 'A'`
    assert.equal({ ...closed }, { figi: 'F2', name: 'N1', source: 'openfigi' })
  })
})

test('after clear_cache the next observation begins a period of its own', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', CUSIP, 'A', '2020-01-01Z')
    await sql`select clear_cache()`
    assert.is((await resolve(sql, 'CUSIP', CUSIP)).status, 'miss')
    await observe(sql, 'CUSIP', CUSIP, 'OLDER', '2020-01-02Z')
    assert.is(
      (await resolve(sql, 'CUSIP', CUSIP)).status,
      'miss',
      'from before the clearing: changes nothing',
    )
    await observe(sql, 'CUSIP', CUSIP, 'A')
    assert.is((await resolve(sql, 'CUSIP', CUSIP)).status, 'hit')
    assert.is((await periodsOf(sql, 'CUSIP', CUSIP)).length, 2)
  })
})

test('what is no identifier is refused with PF001, by name and place', async () => {
  await withRollback(async (sql) => {
    for (const [type, value, message] of [
      ['CUSIP', '037833101', `'037833101' is not a valid CUSIP`],
      ['ISIN', '037833100', `'037833100' is not a valid ISIN`],
      ['FIGI', '037833100', `'037833100' is not a valid FIGI`],
      ['CUSIP', `O'Brien`, `'O''Brien' is not a valid CUSIP`],
      ['CUSIP', 'x'.repeat(1_000_000), `'${'x'.repeat(40)}' is not a valid CUSIP`],
      ['', '037833100', `'037833100' is not a valid identifier`],
      ['CUSIP', '', `'' is not a valid CUSIP`],
    ] as const) {
      const failure = await failureOf(sql.savepoint((s) => observe(s, type, value, 'A')))
      assert.is(failure?.code, 'PF001', value.slice(0, 20))
      assert.is(failure?.message, message)
      assert.is(failure?.detail, 'Element 1 of 1.')
      assert.match(failure?.hint ?? '', 'Nothing was written')
    }
    for (const call of [`upsert_mapping(null, '037833100', 'A')`, `upsert_mapping('CUSIP', null, 'A')`]) {
      const failure = await failureOf(sql.savepoint((s) => s.unsafe(`select from ${call}`)))
      assert.is(failure?.code, 'PF001', call)
    }
  })
})

test('an instant that is not finite is refused with PF002', async () => {
  await withRollback(async (sql) => {
    for (const at of [`'infinity'`, `'-infinity'`, 'null']) {
      const failure = await failureOf(
        sql.savepoint((s) => s.unsafe(`select from upsert_mapping('CUSIP', '${CUSIP}', 'A', ${at})`)),
      )
      assert.is(failure?.code, 'PF002', at)
      assert.match(failure?.message ?? '', 'fetched_at')
      assert.ok(failure?.hint)
    }
  })
})

test('a source that is none and alternatives that are no array are refused by their constraints', async () => {
  await withRollback(async (sql) => {
    for (const [rest, constraint] of [
      [`source => 'rumour'`, 'security_mappings_source_is_known'],
      [`alternatives => '{}'`, 'security_mappings_alternatives_is_an_array'],
    ]) {
      const failure = await failureOf(
        sql.savepoint((s) => s.unsafe(`select from upsert_mapping('CUSIP', '${CUSIP}', 'A', ${rest})`)),
      )
      assert.is(failure?.constraint_name, constraint)
    }
  })
})

test('outside read committed it is refused with PF003 before anything is written', async () => {
  await withDatabase(async ({ sql }) => {
    for (const level of ['repeatable read', 'serializable']) {
      const failure = await failureOf(
        sql.begin(`isolation level ${level}`, (transaction) => observe(transaction, 'CUSIP', CUSIP, 'A')),
      )
      assert.is(failure?.code, 'PF003')
      assert.match(failure?.message ?? '', level)
      assert.match(failure?.hint ?? '', 'read committed')
    }
    assert.equal(await periodsOf(sql, 'CUSIP', CUSIP), [])
  })
})

/** An observation, or the end of the open period without a next one. */
interface Event {
  readonly at: number
  readonly ticker: string | null
  readonly ends: boolean
}

interface ModelPeriod {
  ticker: string | null
  start: number
  end: number | null
  fetched: number
}

/** The rule, as one would write it on paper. */
function apply(periods: ModelPeriod[], { at, ticker, ends }: Event): void {
  const open = periods.find((one) => one.end === null)
  if (ends) {
    if (open && open.start < at) open.end = at
    return
  }
  if (open) {
    if (at <= open.fetched) return
    if (open.ticker === ticker) {
      open.fetched = at
      return
    }
    open.end = at
  } else if (periods.some((one) => one.end !== null && one.end > at)) return
  periods.push({ ticker, start: at, end: null, fetched: at })
}

const event = fc.record({
  at: fc.integer({ min: 1, max: 28 }),
  ticker: fc.constantFrom('A', 'B', null),
  ends: fc.constant(true),
})
const observation = event.map((one) => ({ ...one, ends: false }))

async function play(sql: Sql, events: readonly Event[]): Promise<Period[]> {
  await sql`truncate security_mappings`
  for (const { at, ticker, ends } of events) {
    if (ends) {
      await sql`
        update security_mappings set end_date = ${`${day(at)}Z`}::text::timestamptz
        where end_date is null and start_date < ${`${day(at)}Z`}::text::timestamptz`
    } else await observeOn(sql, ticker, at)
  }
  return periodsOf(sql, 'CUSIP', CUSIP)
}

const modelOf = (events: readonly Event[]) => {
  const periods: ModelPeriod[] = []
  for (const one of events) apply(periods, one)
  return periods.map(({ ticker, start, end, fetched }) => period(ticker, start, end, fetched))
}

test('whatever is observed in whatever order, the history is that of a model on paper', async () => {
  await withRollback(async (sql) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ weight: 5, arbitrary: observation }, event), { maxLength: 12 }),
        async (events) => {
          assert.equal(await play(sql, events), modelOf(events))
        },
      ),
      { numRuns: 120 },
    )
  })
})

test('in order of time the history is every change, and no period is empty, overlaps or follows one alike', async () => {
  await withRollback(async (sql) => {
    await fc.assert(
      fc.asyncProperty(fc.array(observation, { minLength: 1, maxLength: 12 }), async (unsorted) => {
        const events = unsorted
          .toSorted((a, b) => a.at - b.at)
          .filter((one, n, all) => one.at !== all[n - 1]?.at)
        const periods = await play(sql, events)
        const changes = events.filter((one, n) => n === 0 || one.ticker !== events[n - 1]?.ticker)
        assert.equal(
          periods.map(({ ticker, start }) => [ticker, start]),
          changes.map(({ ticker, at }) => [ticker, day(at)]),
        )
        for (const [n, one] of periods.entries()) {
          assert.is(one.end, periods[n + 1]?.start ?? null)
          assert.ok(one.end === null || one.start < one.end)
        }
        assert.is(periods.at(-1)?.fetched, day(events.at(-1)?.at ?? 0))
      }),
      { numRuns: 80 },
    )
  })
})

test('observations of one identifier leave every other alone', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'ISIN', makeIsin(1), 'SISTER', '2020-01-01Z')
    await observe(sql, 'CUSIP', makeCusip(2), 'OTHER', '2020-01-01Z')
    await observeOn(sql, 'A', 2)
    await observeOn(sql, null, 3)
    assert.is((await periodsOf(sql, 'ISIN', makeIsin(1))).length, 1)
    assert.is((await periodsOf(sql, 'CUSIP', makeCusip(2)))[0]?.end, null)
  })
})

test.run()
