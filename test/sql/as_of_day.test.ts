import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withRollback } from '../support/database.ts'
import { makeCusip, makeIsin } from '../support/identifiers_maker.ts'
import { observe, requestsFor } from '../support/mappings.ts'

const test = suite('as of a day')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

const CUSIP = makeCusip(1)
const zones = ['UTC', 'Pacific/Auckland', 'America/Los_Angeles']

/** A; B from late on 9 March 2021; nothing known from 1 June on; C from the last second of 2021. All in UTC. */
async function writeHistory(sql: Sql): Promise<void> {
  await observe(sql, 'CUSIP', CUSIP, 'A', '2021-01-01Z')
  await observe(sql, 'CUSIP', CUSIP, 'B', '2021-03-09 23:59:59.999999Z')
  await sql`update security_mappings set end_date = '2021-06-01Z' where end_date is null`
  await observe(sql, 'CUSIP', CUSIP, 'C', '2021-12-31 23:59:59Z')
}

const days = [
  ['-infinity', null],
  ['4714-11-24 BC', null],
  ['2020-12-31', null],
  ['2021-01-01', 'A'],
  ['2021-03-08', 'A'],
  ['2021-03-09', 'B'],
  ['2021-05-30', 'B'],
  ['2021-05-31', 'B'],
  ['2021-06-01', null],
  ['2021-12-30', null],
  ['2021-12-31', 'C'],
  ['294276-12-31', 'C'],
  ['294277-01-01', 'C'],
  ['5874897-12-31', 'C'],
  ['infinity', 'C'],
] as const

test('what was in effect at the end of the day in UTC answers, whatever the session’s time zone', async () => {
  await withRollback(async (sql) => {
    await writeHistory(sql)
    for (const zone of zones) {
      await sql`select set_config('timezone', ${zone}, true)`
      for (const [day, ticker] of days) {
        const [one] = await sql`select r.ticker from resolve_mapping('CUSIP', ${CUSIP}, ${day}::text::date) r`
        const set = await sql`
          select r.ticker, r.ordinality::int
          from resolve_mappings('CUSIP', ${[CUSIP, makeCusip(2), CUSIP]}::text[], ${day}::text::date) r`
        const all = await sql`select m.ticker from mappings_as_of(${day}::text::date) m`
        assert.is(one?.ticker, ticker, `${day} ${zone}`)
        assert.equal(
          set.map((row) => [row.ticker, row.ordinality]),
          [
            [ticker, 1],
            [null, 2],
            [ticker, 3],
          ],
        )
        assert.equal(
          all.map((row) => row.ticker),
          ticker === null ? [] : [ticker],
        )
      }
    }
    assert.is(await requestsFor(sql, 'CUSIP', CUSIP), 0)
  })
})

test('rows with days of their own are answered each as of its own, in one statement', async () => {
  await withRollback(async (sql) => {
    await writeHistory(sql)
    await sql`set local timezone to 'Pacific/Auckland'`
    await sql`create table holdings as select ${CUSIP}::text as cusip, day::date as traded from unnest(${days.map(([day]) => day)}::text[]) day`
    const expected = days.map(([, ticker]) => ticker)
    const looked = await sql`
      select r.ticker from holdings h cross join lateral resolve_mapping('CUSIP', h.cusip, h.traded) r order by h.traded, r.ticker`
    assert.equal(
      looked.map((row) => row.ticker),
      expected,
    )
    const joined = await sql`
      select m.ticker
      from holdings h
      left join lateral mappings_as_of(h.traded) m on m.identifier_type = 'CUSIP' and m.identifier_value = h.cusip
      order by h.traded`
    assert.equal(
      joined.map((row) => row.ticker),
      expected,
    )
  })
})

test('repairs and sister identifiers go by the day as well', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', '037833100', 'AAPL', '2021-03-09 12:00Z')
    for (const [type, value] of [
      ['CUSIP', '37833100'],
      [' cusip', '037-833-100'],
      ['ISIN', 'US0378331005'],
    ]) {
      const rows = await sql`
        select r.ticker
        from (values (1, date '2021-03-08'), (2, '2021-03-09')) as d (place, day)
        cross join lateral resolve_mapping(${type as string}, ${value as string}, d.day) r
        order by d.place`
      assert.equal(
        rows.map((row) => row.ticker),
        [null, 'AAPL'],
      )
    }
  })
})

test('a null day means now, with its age; a null or a literal of no type is the instant it always was', async () => {
  await withRollback(async (sql) => {
    await writeHistory(sql)
    await sql`set local timezone to 'America/Los_Angeles'`
    for (const [call, ticker, status] of [
      ['null::date', 'C', 'stale'],
      [`null::date, '1000 years'`, 'C', 'hit'],
      ['null', 'C', 'stale'],
      ['null, null', 'C', 'stale'],
      ['as_of => null', 'C', 'stale'],
      [`as_of => '2021-03-09'`, 'A', 'hit'],
      [`'2021-03-09'`, 'A', 'hit'],
      [`as_of => date '2021-03-09'`, 'B', 'hit'],
      [`date '2021-03-09', max_age => '0'`, 'B', 'hit'],
      [`timestamp '2021-03-09'`, 'A', 'hit'],
    ] as const) {
      const [row] = await sql.unsafe(
        `select r.ticker, r.status from resolve_mapping('CUSIP', '${CUSIP}', ${call}) r`,
      )
      assert.equal({ ...row }, { ticker, status }, call)
      const [element] = await sql.unsafe(
        `select r.ticker, r.status from resolve_mappings('CUSIP', array['${CUSIP}'], ${call}) r`,
      )
      assert.equal({ ...element }, { ticker, status }, call)
    }
    for (const [call, tickers] of [
      ['null', []],
      ['null::date', []],
      [`'2021-03-09'`, ['A']],
      [`date '2021-03-09'`, ['B']],
    ] as const) {
      const rows = await sql.unsafe(`select m.ticker from mappings_as_of(${call}) m`)
      assert.equal(
        rows.map((row) => row.ticker),
        tickers,
        call,
      )
    }
  })
})

test('where nothing at all is known, a day requests the fetch as an instant does', async () => {
  await withRollback(async (sql) => {
    const [row] = await sql`
      select r.status, r.fetch_requested from resolve_mapping('ISIN', ${makeIsin(5, 'GB')}, date '2021-03-09') r`
    assert.equal({ ...row }, { status: 'miss', fetch_requested: true })
  })
})

test.run()
