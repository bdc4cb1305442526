import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withDatabase, withRollback } from '../support/database.ts'
import { makeCusip, makeIsin } from '../support/identifiers_maker.ts'
import { observe, openSession, resolve } from '../support/mappings.ts'

const test = suite('resolve_mapping in queries')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

/** Ten thousand identifiers with a past and a present, and statistics about them: plans that say something. */
async function fill(sql: Sql): Promise<void> {
  const cusips = Array.from({ length: 10_000 }, (_, n) => makeCusip(n))
  for (const [ticker, at] of [
    ['OLD', '2020-01-01'],
    ['NEW', '2021-01-01'],
  ] as const) {
    await sql`
      select count(*) from upsert_mappings(
        array_fill('CUSIP'::text, array[10000]), ${cusips}, array_fill(${ticker}::text, array[10000]), ${at}::text::timestamptz
      )`
  }
  await sql`analyze security_mappings`
}

/** Five holdings: two hits, one stale, one miss, one invalid. */
async function hold(sql: Sql): Promise<void> {
  await observe(sql, 'CUSIP', makeCusip(0), 'T0')
  await observe(sql, 'CUSIP', makeCusip(1), 'T1')
  await observe(sql, 'CUSIP', makeCusip(20_000), 'OLD', '2020-01-01')
  await sql`create table holdings (place int, cusip text)`
  await sql`
    insert into holdings
    values (1, ${makeCusip(0)}), (2, ${makeCusip(1)}), (3, ${makeCusip(20_000)}), (4, ${makeCusip(20_001)}), (5, 'nonsense')`
}

const held = [
  [1, 'T0', 'hit'],
  [2, 'T1', 'hit'],
  [3, 'OLD', 'stale'],
  [4, null, 'miss'],
  [5, null, 'invalid'],
]

async function plan(sql: Sql, query: string): Promise<string> {
  const rows = await sql.unsafe(`explain ${query}`)
  return rows.map((row) => row['QUERY PLAN']).join('\n')
}

const values = (rows: readonly object[]) => rows.map((row) => Object.values(row))

test('a lookup is inlined to a probe of the partial index', async () => {
  await withRollback(async (sql) => {
    await fill(sql)
    for (const call of [
      `resolve_mapping('CUSIP', '037833100')`,
      `resolve_mapping('CUSIP', '037833100', null)`,
      `resolve_mapping('CUSIP', '037833100', max_age => '1 day')`,
      `resolve_mapping(identifier_value => '037833100', identifier_type => 'CUSIP')`,
      `resolve_mapping('037833100')`,
    ]) {
      const text = await plan(sql, `select * from ${call}`)
      assert.match(text, 'Index Scan using security_mappings_one_open_row', `${call}\n${text}`)
      assert.not.match(text, /Function Scan on resolve_mapping|Seq Scan/, text)
    }
  })
})

test('what a probe answers calls nothing else, and what it does not calls the rest once', async () => {
  await withRollback(async (sql) => {
    await hold(sql)
    await sql`set local track_functions to 'all'`
    const calls = async () => {
      const [row] = await sql<[{ calls: number }]>`
        select coalesce(sum(calls), 0)::int as calls from pg_stat_xact_user_functions where funcname = 'resolve_rest'`
      return row.calls
    }
    for (const lookups of [
      (which: string) =>
        `select r.* from holdings h cross join lateral resolve_mapping('CUSIP', h.cusip) r where ${which}`,
      (which: string) =>
        `select r.* from resolve_mappings('CUSIP', array(select h.cusip from holdings h where ${which})) r`,
    ]) {
      const before = await calls()
      await sql.unsafe(lookups('h.place <= 2'))
      assert.is((await calls()) - before, 0, lookups('two hits'))
      await sql.unsafe(lookups('h.place > 2'))
      assert.is((await calls()) - before, 3, lookups('stale, miss, invalid'))
    }
  })
})

test('a prepared lookup is planned once, whichever its parameters are', async () => {
  await withRollback(async (sql) => {
    await fill(sql)
    for (const [parameters, values] of [
      ['text', `'037833100'`],
      ['text, timestamptz', `'037833100', '2020-06-01'`],
      ['text, date', `'037833100', '2020-06-01'`],
    ] as const) {
      const places = parameters.split(',').map((_, n) => `$${n + 1}`)
      await sql.unsafe(`prepare lookup (${parameters}) as select * from resolve_mapping('CUSIP', ${places})`)
      for (let time = 0; time < 8; time++) await sql.unsafe(`execute lookup (${values})`)
      const [plans] =
        await sql`select generic_plans::int as generic from pg_prepared_statements where name = 'lookup'`
      assert.is(plans?.generic, 3, parameters)
      await sql`deallocate lookup`
    }
  })
})

test('as of an instant, a lookup is a probe of the index of the history', async () => {
  await withRollback(async (sql) => {
    await fill(sql)
    const text = await plan(sql, `select * from resolve_mapping('CUSIP', '037833100', '2020-01-01')`)
    assert.match(
      text,
      /Limit[^>]*-> {2}Index Scan Backward using security_mappings_history[^>]*start_date <= '/,
      text,
    )
    assert.not.match(text, /Function Scan on resolve_mapping|Seq Scan/, text)
  })
})

test('as of a day, given or of each row, lookups and joins are inlined to the same probes', async () => {
  await withRollback(async (sql) => {
    await fill(sql)
    await sql`
      create table trades as
      select identifier_value as cusip, date '2020-06-01' + (id % 300)::int as traded from security_mappings limit 50`
    await sql`analyze trades`
    for (const query of [
      `select * from resolve_mapping('CUSIP', '037833100', date '2020-01-01')`,
      `select * from resolve_mappings('CUSIP', array['037833100'], date '2020-01-01')`,
      `select * from trades t cross join lateral resolve_mapping('CUSIP', t.cusip, t.traded) r`,
      `select * from mappings_as_of(date '2020-01-01') m where m.identifier_type = 'CUSIP' and m.identifier_value = '037833100'`,
      `select * from trades t join mappings_as_of(date '2020-01-01') m on m.identifier_type = 'CUSIP' and m.identifier_value = t.cusip`,
    ]) {
      const text = await plan(sql, query)
      assert.match(text, /Index Scan (Backward )?using security_mappings_history/, text)
      assert.not.match(text, /Function Scan on (resolve|mappings)|Seq Scan on security_mappings/, text)
    }
    const lateral = `select t.*, m.ticker from trades t left join lateral mappings_as_of(t.traded) m on m.identifier_type = 'CUSIP' and m.identifier_value = t.cusip`
    assert.not.match(await plan(sql, lateral), 'Function Scan')
    await sql`set local enable_hashjoin to off`
    await sql`set local enable_mergejoin to off`
    const probed = await plan(sql, lateral)
    assert.match(probed, /Index Scan using security_mappings_history[\s\S]*start_date <= CASE/, probed)
    assert.equal(
      values(await sql.unsafe(`select x.ticker, count(*)::int from (${lateral}) x group by 1 order by 1`)),
      values(
        await sql`select case when traded < '2021-01-01' then 'OLD' else 'NEW' end, count(*)::int from trades group by 1 order by 1`,
      ),
    )
  })
})

test('a lookup for each row of a table is inlined, in lateral and left joins', async () => {
  await withRollback(async (sql) => {
    await fill(sql)
    await sql`create table holdings as select identifier_value as cusip from security_mappings limit 100`
    await sql`analyze holdings`
    for (const join of ['cross join lateral', 'left join lateral', ',']) {
      const text = await plan(
        sql,
        `select h.cusip, r.ticker from holdings h ${join} resolve_mapping('CUSIP', h.cusip) r ${join.startsWith('left') ? 'on true' : ''}`,
      )
      assert.not.match(text, /Function Scan on resolve_mapping/, text)
      assert.match(text, 'Index Scan using security_mappings_one_open_row', text)
    }
  })
})

test('every way to join a lookup to holdings gives one row a holding', async () => {
  await withRollback(async (sql) => {
    await hold(sql)
    for (const query of [
      `select h.place, r.ticker, r.status from holdings h, resolve_mapping('CUSIP', h.cusip) r order by 1`,
      `select h.place, r.ticker, r.status from holdings h cross join lateral resolve_mapping('CUSIP', h.cusip) r order by 1`,
      `select h.place, r.ticker, r.status from holdings h left join lateral resolve_mapping('CUSIP', h.cusip) r on true order by 1`,
      `select h.place, r.ticker, r.status from holdings h left join lateral resolve_mapping('CUSIP', h.cusip, null, null) r on r.identifier_value is not null order by 1`,
      `select h.place, (r).ticker, (r).status from (select h.place, resolve_mapping('CUSIP', h.cusip) as r from holdings h) h order by 1`,
      `select h.place, (select r.ticker from resolve_mapping('CUSIP', h.cusip) r), (select r.status from resolve_mapping('CUSIP', h.cusip) r) from holdings h order by 1`,
      `select h.place, r.ticker, r.status from holdings h, resolve_mapping('CUSIP', (select h.cusip)) r order by 1`,
      `with r as materialized (select h.place, r.* from holdings h, resolve_mapping('CUSIP', h.cusip) r) select r.place, r.ticker, r.status from r order by 1`,
      `select h.place, r.ticker, r.status from holdings h, resolve_mapping('CUSIP', h.cusip) r order by 1 for update of h`,
      `select h.place, r.ticker, r.status from (select * from holdings order by place limit 10) h, resolve_mapping(h.cusip) r order by h.place`,
    ]) {
      assert.equal(values(await sql.unsafe(query)), held, query)
    }
  })
})

test('joined as of the date of each row, the period of that date answers', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', makeCusip(0), 'A', '2020-01-01Z')
    await observe(sql, 'CUSIP', makeCusip(0), 'B', '2021-01-01Z')
    const rows = await sql`
      select r.ticker, r.status
      from (values (timestamptz '2020-06-01Z'), ('2021-01-01Z'), ('2019-01-01Z'), (null)) as trades (at)
      cross join lateral resolve_mapping('CUSIP', ${makeCusip(0)}, trades.at) r`
    assert.equal(values(rows), [
      ['A', 'hit'],
      ['B', 'hit'],
      [null, 'miss'],
      ['B', 'stale'],
    ])
  })
})

test('where another condition fails, an outer join gives its row of nulls', async () => {
  await withRollback(async (sql) => {
    await hold(sql)
    const rows = await sql`
      select h.place, r.ticker
      from holdings h
      left join lateral resolve_mapping('CUSIP', h.cusip) r on r.status = 'hit'
      order by h.place`
    assert.equal(values(rows), [
      [1, 'T0'],
      [2, 'T1'],
      [3, null],
      [4, null],
      [5, null],
    ])
  })
})

test('a prepared statement answers alike under custom and generic plans, as the data change', async () => {
  await withRollback(async (sql) => {
    for (const mode of ['auto', 'force_generic_plan', 'force_custom_plan']) {
      await sql.unsafe(`set local plan_cache_mode to ${mode}`)
      await sql.unsafe(`
        prepare ask (text, text, timestamptz, interval) as
        select r.ticker, r.status from public.resolve_mapping($1, $2, $3, $4) r`)
      const cusip = makeCusip(100)
      const ask = (rest = 'null, null') => sql.unsafe(`execute ask('CUSIP', '${cusip}', ${rest})`)
      for (let time = 0; time < 10; time++) assert.equal(values(await ask()), [[null, 'miss']])
      await observe(sql, 'CUSIP', cusip, 'T')
      for (let time = 0; time < 10; time++) assert.equal(values(await ask()), [['T', 'hit']])
      assert.equal(values(await ask(`null, '0'`)), [['T', 'stale']])
      assert.equal(values(await ask(`'2001-01-01', null`)), [[null, 'miss']])
      await observe(sql, 'CUSIP', cusip, null)
      for (let time = 0; time < 10; time++) assert.equal(values(await ask()), [[null, 'negative']])
      await sql`deallocate ask`
      await sql`truncate security_mappings, figi_private.fetch_requests`
    }
  })
})

test('a generic plan still probes the index and never scans the table', async () => {
  await withRollback(async (sql) => {
    await fill(sql)
    await sql`set local plan_cache_mode to force_generic_plan`
    await sql.unsafe(`
      prepare ask (text, text, timestamptz, interval) as select * from public.resolve_mapping($1, $2, $3, $4);
      prepare ask_now (text, text) as select * from public.resolve_mapping($1, $2);`)
    const general = await plan(sql, `execute ask('CUSIP', '037833100', null, null)`)
    assert.not.match(general, /Seq Scan|Function Scan on resolve_mapping/, general)
    const now = await plan(sql, `execute ask_now('CUSIP', '037833100')`)
    assert.match(now, 'Index Scan using security_mappings_one_open_row', now)
  })
})

test('within plpgsql, in a loop and in an assignment, it answers and requests', async () => {
  await withRollback(async (sql) => {
    await hold(sql)
    await sql.unsafe(`
      create function ask(cusip text) returns text language plpgsql volatile as $$
      declare
        v_row record;
        v_one public.resolved_mapping;
      begin
        for v_row in select * from public.resolve_mapping('CUSIP', cusip) loop
          v_one := (select r from public.resolve_mapping('CUSIP', cusip) r);
          if v_one.status is distinct from v_row.status then
            raise exception '% and %', v_one.status, v_row.status;
          end if;
          return v_row.status;
        end loop;
      end $$;
      create function ask_stable(cusip text) returns text language plpgsql stable as $$
      begin
        return (select r.status from public.resolve_mapping('CUSIP', cusip) r);
      end $$;
      create function ask_in_sql(cusip text) returns text language sql stable as $$
        select r.status from public.resolve_mapping('CUSIP', cusip) r
      $$;`)
    for (const name of ['ask', 'ask_stable', 'ask_in_sql']) {
      for (let time = 0; time < 8; time++) {
        const rows = await sql`select ${sql(name)}(h.cusip) as status from holdings h order by h.place`
        assert.equal(
          rows.map((row) => row.status),
          held.map(([, , status]) => status),
          name,
        )
      }
    }
    const [row] = await sql`select count(*)::int as count from figi_private.fetch_requests`
    assert.is(row?.count, 2)
  })
})

test('a view over it answers, and so does an aggregate, a materialized view and create table as', async () => {
  await withRollback(async (sql) => {
    await hold(sql)
    await sql.unsafe(`
      create view resolved as select h.place, r.ticker, r.status from holdings h, resolve_mapping('CUSIP', h.cusip) r;
      create materialized view kept as select * from resolved;
      create table copied as select * from resolved;`)
    for (const name of ['resolved', 'kept', 'copied'])
      assert.equal(values(await sql`select * from ${sql(name)} order by place`), held, name)
    assert.equal(values(await sql`select status, count(*)::int from resolved group by 1 order by 1`), [
      ['hit', 2],
      ['invalid', 1],
      ['miss', 1],
      ['stale', 1],
    ])
  })
})

test('a cursor answers row by row, and one that holds after the commit', async () => {
  await withDatabase(async ({ url }) => {
    await using session = await openSession(url)
    const { sql } = session as unknown as { sql: Sql }
    await hold(sql)
    await sql`begin`
    await sql`declare c cursor for select h.place, r.ticker, r.status from holdings h, resolve_mapping('CUSIP', h.cusip) r order by h.place`
    for (const row of held) assert.equal(values(await sql`fetch 1 from c`), [row])
    await sql`declare d cursor with hold for select h.place, r.ticker, r.status from holdings h, resolve_mapping('CUSIP', h.cusip) r order by h.place`
    await sql`commit`
    assert.equal(values(await sql`fetch all from d`), held)
    const [row] = await sql`select count(*)::int as count from figi_private.fetch_requests`
    assert.is(row?.count, 2)
  })
})

test('it answers and requests in every isolation level', async () => {
  await withDatabase(async ({ sql }) => {
    await observe(sql, 'CUSIP', makeCusip(0), 'T0')
    let n = 10
    for (const level of ['read committed', 'repeatable read', 'serializable']) {
      const cusip = makeCusip(n++)
      await sql.begin(`isolation level ${level}`, async (transaction) => {
        assert.is((await resolve(transaction, 'CUSIP', makeCusip(0))).status, 'hit')
        assert.equal(await resolve(transaction, 'CUSIP', cusip), {
          identifier_type: 'CUSIP',
          identifier_value: cusip,
          ticker: null,
          status: 'miss',
          fetch_requested: true,
          resolved_via: null,
        })
        assert.is((await resolve(transaction, 'ISIN', makeIsin(0))).ticker, 'T0')
      })
    }
    const [row] = await sql`select count(*)::int as count from figi_private.fetch_requests`
    assert.is(row?.count, 3)
  })
})

test('a snapshot from before an answer keeps saying miss, and the same session sees the answer after', async () => {
  await withDatabase(async ({ sql, url }) => {
    await using other = await openSession(url)
    await sql.begin('isolation level repeatable read', async (transaction) => {
      assert.is((await resolve(transaction, 'CUSIP', makeCusip(0))).status, 'miss')
      await observe(other.sql, 'CUSIP', makeCusip(0), 'T0')
      assert.is((await resolve(transaction, 'CUSIP', makeCusip(0))).status, 'miss')
    })
    assert.is((await resolve(sql, 'CUSIP', makeCusip(0))).status, 'hit')
  })
})

test('a search_path that lacks public, or puts other things first, changes no answer', async () => {
  await withRollback(async (sql) => {
    await hold(sql)
    await sql.unsafe(`
      create schema hostile;
      create table hostile.security_mappings (id int);
      create table hostile.mapping_periods (id int);
      create function hostile.upper(text) returns text language sql immutable return 'hostile';
      create function hostile.cache_max_age(interval) returns interval language sql immutable return interval '-1 day';
      create function hostile.normalize_identifier(text, text) returns text language sql immutable return 'hostile';
      create function hostile.yes(text, text) returns boolean language sql immutable return true;
      create operator hostile.= (leftarg = text, rightarg = text, function = hostile.yes);
      create function hostile.no(interval, interval) returns boolean language sql immutable return false;
      create operator hostile.< (leftarg = interval, rightarg = interval, function = hostile.no);
      create function hostile.never(timestamptz, timestamptz) returns boolean language sql immutable return false;
      create operator hostile.<= (leftarg = timestamptz, rightarg = timestamptz, function = hostile.never);
      create operator hostile.> (leftarg = timestamptz, rightarg = timestamptz, function = hostile.never);
      create collation hostile."C" (locale = 'POSIX');`)
    for (const path of ['hostile, pg_catalog', 'hostile', 'pg_temp']) {
      await sql.unsafe(`set local search_path to ${path}`)
      const rows = await sql`
        select h.place, r.ticker, r.status
        from public.holdings h
        cross join lateral public.resolve_mapping('CUSIP', h.cusip) r
        order by h.place`
      assert.equal(values(rows), held, path)
      const [then] =
        await sql`select ticker from public.resolve_mapping('CUSIP', ${makeCusip(0)}, clock_timestamp())`
      assert.is(then?.ticker, 'T0', path)
    }
  })
})

test.run()
