import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withRollback } from '../support/database.ts'
import { makeCusip, makeIsin } from '../support/identifiers_maker.ts'
import { failureOf, observe, periodsOf, resolve } from '../support/mappings.ts'

const test = suite('history, staleness and statistics')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

const values = (rows: readonly object[]) => rows.map((row) => Object.values(row))

async function plan(sql: Sql, query: string): Promise<string> {
  const rows = await sql.unsafe(`explain ${query}`)
  return rows.map((row) => row['QUERY PLAN']).join('\n')
}

/** A since 2019, B since 2020, no results since 2021, C since 2022. */
async function writeHistory(sql: Sql): Promise<void> {
  for (const [year, ticker] of [
    [2019, 'A'],
    [2020, 'B'],
    [2021, null],
    [2022, 'C'],
  ] as const) {
    await observe(sql, 'CUSIP', '037833100', ticker, `${year}-01-01Z`)
  }
  await observe(sql, 'CUSIP', makeCusip(9), 'OTHER', '2020-06-01Z')
}

test('mapping_history gives every period of one identifier in order, however it is spelt', async () => {
  await withRollback(async (sql) => {
    await writeHistory(sql)
    for (const [type, value] of [
      ['CUSIP', '037833100'],
      [' cusip', '37833100'],
      ['CUSIP', '037-833-100'],
    ]) {
      const rows = await sql`
        select h.ticker, h.has_no_results, extract(year from h.start_date)::int as start, extract(year from h.end_date)::int as end
        from mapping_history(${type as string}, ${value as string}) h`
      assert.equal(values(rows), [
        ['A', false, 2019, 2020],
        ['B', false, 2020, 2021],
        [null, true, 2021, 2022],
        ['C', false, 2022, null],
      ])
    }
    for (const [type, value] of [
      ['CUSIP', makeCusip(500)],
      ['ISIN', '037833100'],
      ['FIGI', '037833100'],
      ['CUSIP', 'nonsense'],
      ['CUSIP', null],
      [null, '037833100'],
    ] as const) {
      assert.is((await sql`select from mapping_history(${type}::text, ${value}::text)`).length, 0)
    }
    assert.is((await sql`select from figi_private.fetch_requests`).length, 0, 'it requests nothing')
  })
})

test('mappings_as_of gives what was in effect at an instant, the start included and the end not', async () => {
  await withRollback(async (sql) => {
    await writeHistory(sql)
    const tickers = async (at: string | null) => {
      const rows =
        await sql`select m.ticker from mappings_as_of(${at}::text::timestamptz) m order by m.ticker`
      return rows.map((row) => row.ticker)
    }
    assert.equal(await tickers('2018-12-31Z'), [])
    assert.equal(await tickers('2019-01-01Z'), ['A'])
    assert.equal(await tickers('2019-12-31 23:59:59.999999Z'), ['A'])
    assert.equal(await tickers('2020-01-01Z'), ['B'])
    assert.equal(await tickers('2020-06-01Z'), ['B', 'OTHER'])
    assert.equal(await tickers('2021-06-01Z'), ['OTHER', null])
    assert.equal(await tickers('infinity'), ['C', 'OTHER'])
    assert.equal(await tickers('-infinity'), [])
    assert.equal(await tickers(null), [])
  })
})

test('current_mappings holds one row an identifier, negatives included', async () => {
  await withRollback(async (sql) => {
    await writeHistory(sql)
    await observe(sql, 'ISIN', makeIsin(3), null)
    const rows = await sql`select identifier_type, ticker, has_no_results from current_mappings order by id`
    assert.equal(
      values(rows).sort(),
      [
        ['CUSIP', 'C', false],
        ['CUSIP', 'OTHER', false],
        ['ISIN', null, true],
      ].sort(),
    )
  })
})

test('the view and the functions for joins are inlined to the table', async () => {
  await withRollback(async (sql) => {
    const cusips = Array.from({ length: 5_000 }, (_, n) => makeCusip(n))
    await sql`
      select count(*) from upsert_mappings(array_fill('CUSIP'::text, array[5000]), ${cusips}, array_fill('T'::text, array[5000]), '2020-01-01Z')`
    await sql`update security_mappings set last_fetched_date = last_fetched_date + id * interval '1 minute'`
    await sql`analyze security_mappings`
    await sql`create table holdings as select identifier_value as cusip from security_mappings`
    await sql`analyze holdings`
    for (const [query, pattern] of [
      [
        `select * from current_mappings where identifier_type = 'CUSIP' and identifier_value = '${makeCusip(1)}'`,
        /Index Scan using security_mappings_/,
      ],
      [
        `select * from holdings h left join current_mappings m on m.identifier_type = 'CUSIP' and m.identifier_value = h.cusip`,
        /Hash|Merge/,
      ],
      [
        `select * from mappings_as_of('2021-01-01') m where m.identifier_type = 'CUSIP' and m.identifier_value = '${makeCusip(1)}'`,
        /Index Scan using security_mappings_/,
      ],
      [
        `select * from holdings h join mappings_as_of('2021-01-01') m on m.identifier_value = h.cusip and m.identifier_type = 'CUSIP'`,
        /Hash|Merge/,
      ],
      [`select * from mapping_history('CUSIP', '${makeCusip(1)}')`, /security_mappings_history/],
      [`select * from stale_mappings(max_rows => 10)`, /security_mappings_oldest_fetch/],
    ] as const) {
      const text = await plan(sql, query)
      assert.match(text, pattern, `${query}\n${text}`)
      assert.not.match(text, /Function Scan|Subquery Scan on m\b/, `${query}\n${text}`)
    }
  })
})

test('joined to holdings, each holding comes once, also without a mapping', async () => {
  await withRollback(async (sql) => {
    await writeHistory(sql)
    await sql`create table holdings (cusip text)`
    await sql`insert into holdings values ('037833100'), (${makeCusip(9)}), (${makeCusip(10)})`
    const now = await sql`
      select m.ticker from holdings h
      left join current_mappings m on m.identifier_type = 'CUSIP' and m.identifier_value = h.cusip
      order by m.ticker`
    assert.equal(values(now), [['C'], ['OTHER'], [null]])
    const then = await sql`
      select m.ticker from holdings h
      left join mappings_as_of('2020-07-01Z') m on m.identifier_type = 'CUSIP' and m.identifier_value = h.cusip
      order by m.ticker`
    assert.equal(values(then), [['B'], ['OTHER'], [null]])
  })
})

test('stale_mappings gives open rows past their age, negatives included, oldest first and as many as asked for', async () => {
  await withRollback(async (sql) => {
    for (const [n, days, ticker] of [
      [1, 70, 'A'],
      [2, 90, null],
      [3, 59, 'FRESH'],
      [4, 80, 'C'],
      [5, 61, 'D'],
    ] as const) {
      await sql`select from upsert_mapping('CUSIP', ${makeCusip(n)}, ${ticker}, now() - ${days}::int * interval '1 day')`
    }
    await sql`select from upsert_mapping('CUSIP', ${makeCusip(5)}, 'E', now() - interval '60 days 1 hour')`
    const numbers = new Map([1, 2, 3, 4, 5].map((n) => [makeCusip(n), n]))
    const stale = async (maxAge: string | null, rows: number | null) => {
      const found = await sql`
        select s.identifier_value from stale_mappings(${maxAge}::text::interval, ${rows}::int) s`
      return found.map((row) => numbers.get(row.identifier_value))
    }
    assert.equal(await stale(null, null), [2, 4, 1, 5])
    assert.equal(await stale(null, 2), [2, 4])
    assert.equal(await stale(null, 0), [])
    assert.equal(await stale('75 days', null), [2, 4])
    assert.equal(await stale('0', null), [2, 4, 1, 5, 3])
    assert.equal(await stale('1000000 days', null), [])
    assert.equal(await stale('-1 day', 1), [2])
    await sql`set local pgfigi.cache_max_age to '85 days'`
    assert.equal(await stale(null, null), [2])
    const [row] = await sql`select count(*)::int as count from stale_mappings()`
    assert.is(row?.count, 1)
  })
})

test('stale_mappings and resolve_mapping agree about what is stale', async () => {
  await withRollback(async (sql) => {
    for (let n = 0; n < 20; n++)
      await sql`select from upsert_mapping('CUSIP', ${makeCusip(n)}, 'T', now() - ${n}::int * interval '10 days')`
    for (const maxAge of [null, '0', '45 days', '100 days', '-1 day', '3 months']) {
      const [row] = await sql`
        select
          array(select s.identifier_value from stale_mappings(${maxAge}::text::interval) s order by 1) as listed,
          array(
            select r.identifier_value
            from current_mappings m
            cross join lateral resolve_mapping('CUSIP', m.identifier_value, null, ${maxAge}::text::interval) r
            where r.status = 'stale'
            order by 1
          ) as resolved`
      assert.equal(row?.listed, row?.resolved, `${maxAge}`)
    }
  })
})

test('clear_cache closes every open row and keeps the history; lookups miss and ask anew', async () => {
  await withRollback(async (sql) => {
    await writeHistory(sql)
    await observe(sql, 'CUSIP', makeCusip(4), null)
    const clear = async () => (await sql<[{ closed: number }]>`select clear_cache()::int as closed`)[0].closed
    assert.is(await clear(), 3)
    assert.is(await clear(), 0)
    assert.is((await sql`select from security_mappings where end_date is null`).length, 0)
    assert.is((await periodsOf(sql, 'CUSIP', '037833100')).length, 4)
    const answer = await resolve(sql, 'CUSIP', '037833100')
    assert.equal([answer.status, answer.fetch_requested], ['miss', true])
    const past = await resolve(sql, 'CUSIP', '037833100', { asOf: '2019-06-01Z' })
    assert.equal([past.status, past.ticker], ['hit', 'A'])
    await observe(sql, 'CUSIP', '037833100', 'C')
    assert.is((await resolve(sql, 'CUSIP', '037833100')).status, 'hit')
    assert.is((await periodsOf(sql, 'CUSIP', '037833100')).length, 5)
  })
})

test('clear_cache copes with rows that begin in the same statement or in the future', async () => {
  await withRollback(async (sql) => {
    await sql`select from upsert_mapping('CUSIP', ${makeCusip(1)}, 'T', clock_timestamp() + interval '1 hour')`
    await sql.unsafe(`
      do $$
      begin
        for n in 1..200 loop
          perform public.upsert_mapping('CUSIP', '037833100', 'T');
          perform public.clear_cache();
          perform public.upsert_mapping('CUSIP', '037833100', 'T');
          if not exists (select from public.security_mappings m where m.identifier_value = '037833100' and m.end_date is null) then
            raise exception 'what was observed after the clearing is lost';
          end if;
        end loop;
      end
      $$`)
    await sql`select clear_cache()`
    await observe(sql, 'CUSIP', makeCusip(1), 'NOW')
    assert.is(
      (await resolve(sql, 'CUSIP', makeCusip(1))).ticker,
      'NOW',
      'an observation from the future blocks nothing',
    )
  })
})

test('cache_stats counts what there is', async () => {
  await withRollback(async (sql) => {
    const stats = async () => {
      const [row] = await sql`select * from cache_stats()`
      return Object.fromEntries(
        Object.entries({ ...row }).map(([name, count]) => [name, count === null ? null : Number(count)]),
      )
    }
    const none = {
      total_cached: 0,
      found_cached: 0,
      not_found_cached: 0,
      stale: 0,
      history_rows: 0,
      pending: 0,
      gave_up: 0,
      hit_rate_1h: null,
      hit_rate_24h: null,
      budget_used: null,
    }
    assert.equal(await stats(), none)
    await writeHistory(sql)
    await observe(sql, 'CUSIP', makeCusip(1), 'FRESH')
    await observe(sql, 'CUSIP', makeCusip(2), null)
    await resolve(sql, 'CUSIP', makeCusip(3))
    await resolve(sql, 'CUSIP', '037833100')
    await sql`insert into figi_private.fetch_requests (identifier_type, identifier_value, gave_up_at) values ('CUSIP', ${makeCusip(4)}, now())`
    assert.equal(await stats(), {
      ...none,
      total_cached: 4,
      found_cached: 3,
      not_found_cached: 1,
      stale: 2,
      history_rows: 3,
      pending: 2,
      gave_up: 1,
    })
    await sql`set local pgfigi.cache_max_age to '0'`
    assert.is((await stats()).stale, 4)
  })
})

test('cache_max_age is the argument, else the setting, else 60 days', async () => {
  await withRollback(async (sql) => {
    const age = async (argument: string | null) => {
      const [row] = await sql`select cache_max_age(${argument}::text::interval)::text as age`
      return row?.age
    }
    const [row] = await sql`select cache_max_age()::text as age`
    assert.is(row?.age, '60 days')
    assert.is(await age(null), '60 days')
    assert.is(await age('1 day'), '1 day')
    assert.is(await age('0'), '00:00:00')
    await sql`set local pgfigi.cache_max_age to '90 days'`
    assert.is(await age(null), '90 days')
    assert.is(await age('1 day'), '1 day')
    await sql`set local pgfigi.cache_max_age to ''`
    assert.is(await age(null), '60 days')
    await sql`set local pgfigi.cache_max_age to 'many'`
    assert.is((await failureOf(sql.savepoint((s) => s`select cache_max_age()`)))?.code, '22007')
    assert.is(await age('1 day'), '1 day')
  })
})

test.run()
