import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withDatabase, withRollback } from '../support/database.ts'
import { makeCusip, makeIsin } from '../support/identifiers_maker.ts'
import { failureOf, openSession, type Session } from '../support/mappings.ts'

const test = suite('the laws of security_mappings, against rows written by hand')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

const CUSIP = makeCusip(1)

interface Row {
  type?: string | null
  value?: string | null
  ticker?: string | null
  negative?: boolean
  start?: string | null
  end?: string | null
  fetched?: string | null
}

function write(sql: Pick<Sql, 'unsafe'>, ...rows: Row[]) {
  const literal = (value: unknown) => (value === null ? 'null' : `'${value}'`)
  const tuples = rows.map(
    ({
      type = 'CUSIP',
      value = CUSIP,
      ticker = 'A',
      negative = false,
      start = '2020-01-01Z',
      end = null,
      fetched = start,
    }) => `(${[type, value, ticker, negative, start, end, fetched].map(literal).join(', ')})`,
  )
  return sql.unsafe(`
    insert into security_mappings
      (identifier_type, identifier_value, ticker, has_no_results, start_date, end_date, last_fetched_date)
    values ${tuples.join(', ')}`)
}

/** What a statement failed with; the transaction goes on. */
const refusal = (sql: Sql, work: (sql: Sql) => PromiseLike<unknown>) =>
  failureOf(sql.savepoint(async (s) => await work(s)))

const nameOf = async (sql: Sql, work: (sql: Sql) => PromiseLike<unknown>) => {
  const failure = await refusal(sql, work)
  return failure?.constraint_name ?? failure?.code ?? null
}

const OVERLAP = 'security_mappings_periods_do_not_overlap'

test('each law refuses by a name of its own', async () => {
  await withRollback(async (sql) => {
    for (const [row, name] of [
      [{ type: 'FIGI' }, 'security_mappings_identifier_is_well_formed'],
      [{ type: 'cusip' }, 'security_mappings_identifier_is_well_formed'],
      [{ value: '03783310' }, 'security_mappings_identifier_is_well_formed'],
      [{ value: '03783310a' }, 'security_mappings_identifier_is_well_formed'],
      [{ value: '037833100\n' }, 'security_mappings_identifier_is_well_formed'],
      [{ value: '0378331000' }, 'security_mappings_identifier_is_well_formed'],
      [{ value: '03783310A' }, 'security_mappings_identifier_is_well_formed'],
      [{ value: 'É3783310' }, 'security_mappings_identifier_is_well_formed'],
      [{ type: 'ISIN', value: 'U10378331005' }, 'security_mappings_identifier_is_well_formed'],
      [{ type: 'ISIN', value: 'US037833100X' }, 'security_mappings_identifier_is_well_formed'],
      [{ type: 'ISIN', value: 'US03*8331005' }, 'security_mappings_identifier_is_well_formed'],
      [{ type: 'ISIN' }, 'security_mappings_identifier_is_well_formed'],
      [{ value: makeIsin(1) }, 'security_mappings_identifier_is_well_formed'],
      [{ ticker: null }, 'security_mappings_has_no_results_exactly_when_ticker_is_null'],
      [{ negative: true }, 'security_mappings_has_no_results_exactly_when_ticker_is_null'],
      [{ ticker: '' }, 'security_mappings_ticker_is_not_blank'],
      [{ end: '2020-01-01Z' }, 'security_mappings_period_is_not_empty'],
      [{ end: '2019-01-01Z' }, 'security_mappings_period_is_not_empty'],
      [{ start: '-infinity', fetched: '2020-01-01Z' }, 'security_mappings_dates_are_finite'],
      [{ end: 'infinity' }, 'security_mappings_dates_are_finite'],
      [{ fetched: 'infinity' }, 'security_mappings_dates_are_finite'],
      [{ type: null }, '23502'],
      [{ value: null }, '23502'],
      [{ start: null, fetched: '2020-01-01Z' }, '23502'],
      [{ fetched: null }, '23502'],
    ] as [Row, string][]) {
      assert.is(await nameOf(sql, (s) => write(s, row)), name, JSON.stringify(row))
    }
    const rows = await sql`select from security_mappings`
    assert.is(rows.length, 0)
  })
})

test('a second open row is refused, in one statement, in the next and by reopening', async () => {
  await withRollback(async (sql) => {
    const name = 'security_mappings_one_open_row'
    assert.is(await nameOf(sql, (s) => write(s, {}, { start: '2021-01-01Z' })), name)
    await write(sql, { end: '2021-01-01Z' }, { start: '2021-01-01Z' })
    assert.is(await nameOf(sql, (s) => write(s, { start: '2022-01-01Z' })), name)
    assert.is(
      await nameOf(sql, (s) => s`update security_mappings set end_date = null where end_date is not null`),
      name,
    )
  })
})

test('overlapping periods are refused however they lie to one another, with words to the point', async () => {
  await withRollback(async (sql) => {
    await write(sql, { start: '2020-02-01Z', end: '2020-04-01Z' }, { start: '2020-06-01Z' })
    for (const [start, end] of [
      ['2020-01-01Z', '2020-02-01 00:00:00.000001Z'],
      ['2020-01-01Z', '2020-05-01Z'],
      ['2020-02-15Z', '2020-03-01Z'],
      ['2020-03-31 23:59:59.999999Z', '2020-05-01Z'],
      ['2020-05-01Z', '2020-06-01 00:00:00.000001Z'],
      ['2020-07-01Z', '2020-08-01Z'],
      ['2030-07-01Z', '2030-08-01Z'],
      ['2019-07-01Z', '2030-08-01Z'],
    ] as const) {
      const failure = await refusal(sql, (s) => write(s, { start, end }))
      assert.is(failure?.constraint_name, OVERLAP, `${start} to ${end}`)
      assert.is(failure?.code, '23P01')
      assert.match(failure?.message ?? '', `periods of CUSIP ${CUSIP} overlap`)
      assert.match(failure?.hint ?? '', 'mapping_history')
    }
    assert.is(
      await nameOf(sql, (s) => write(s, { start: '2020-02-01Z', end: '2020-03-01Z' })),
      'security_mappings_history',
    )
  })
})

test('overlaps among the rows of one statement are refused', async () => {
  await withRollback(async (sql) => {
    assert.is(
      await nameOf(sql, (s) =>
        write(s, { end: '2020-03-01Z' }, { start: '2020-02-01Z', end: '2020-04-01Z' }),
      ),
      OVERLAP,
    )
    assert.is(await nameOf(sql, (s) => write(s, { end: '2020-03-01Z' }, { start: '2020-02-01Z' })), OVERLAP)
  })
})

test('an update that extends, moves or renames a period onto another is refused, also with a new id', async () => {
  await withRollback(async (sql) => {
    await write(
      sql,
      { end: '2020-03-01Z' },
      { start: '2020-03-01Z', end: '2020-04-01Z' },
      { start: '2020-05-01Z', ticker: 'B' },
      { value: makeCusip(2), end: '2020-02-01Z', ticker: 'OTHER' },
    )
    for (const update of [
      `set end_date = '2020-03-02Z' where end_date = '2020-03-01Z'`,
      `set start_date = '2020-02-01Z' where end_date = '2020-04-01Z'`,
      `set start_date = '2020-03-15Z' where ticker = 'B'`,
      `set start_date = '2020-03-15Z', end_date = '2020-03-16Z' where ticker = 'B'`,
      `set identifier_value = '${CUSIP}', start_date = '2020-01-02Z' where ticker = 'OTHER'`,
      `set end_date = end_date + interval '1 day' where ticker = 'A'`,
      `set id = default, end_date = '2020-03-02Z' where end_date = '2020-03-01Z'`,
      `set id = default, identifier_value = '${CUSIP}', start_date = '2020-01-02Z' where ticker = 'OTHER'`,
    ]) {
      assert.is(await nameOf(sql, (s) => s.unsafe(`update security_mappings ${update}`)), OVERLAP, update)
    }
  })
})

test('insert on conflict do update, merge and copy are held to the law as well', async () => {
  await withDatabase(async ({ url }) => {
    await using session = await openSession(url)
    const sql = session.sql as unknown as Sql
    await write(sql, { end: '2020-03-01Z' }, { start: '2020-03-01Z', end: '2020-04-01Z' })
    const failures = [
      await failureOf(
        sql.unsafe(`
          insert into security_mappings (identifier_type, identifier_value, ticker, start_date, end_date, last_fetched_date)
          values ('CUSIP', '${CUSIP}', 'A', '2020-01-01Z', '2020-02-01Z', '2020-01-01Z')
          on conflict (identifier_type, identifier_value, start_date) do update set end_date = '2020-03-15Z'`),
      ),
      await failureOf(
        sql.unsafe(`
          copy security_mappings (identifier_type, identifier_value, ticker, start_date, end_date, last_fetched_date)
          from program 'echo CUSIP,${CUSIP},A,2020-02-01Z,2020-02-02Z,2020-02-01Z' with (format csv)`),
      ),
    ]
    const [version] = await sql`select current_setting('server_version_num')::int as number`
    if (version?.number >= 150000) {
      failures.push(
        await failureOf(
          sql.unsafe(`
            merge into security_mappings m
            using (values (1)) as s (n) on m.end_date = '2020-03-01Z'
            when matched then update set end_date = '2020-03-15Z'`),
        ),
      )
    }
    for (const [place, failure] of failures.entries())
      assert.is(failure?.constraint_name, OVERLAP, `${place}`)
    assert.is((await sql`select from security_mappings`).length, 2)
  })
})

test('what breaks no law passes: touching periods, gaps, other identifiers, shrinking, moving all at once, deleting', async () => {
  await withRollback(async (sql) => {
    await write(
      sql,
      { start: '2019-01-01Z', end: '2020-01-01Z' },
      { end: '2020-03-01Z' },
      { start: '2020-05-01Z' },
      { value: makeCusip(2), end: '2030-01-01Z' },
      { type: 'ISIN', value: makeIsin(1), end: '2030-01-01Z' },
    )
    for (const statement of [
      `update security_mappings set ticker = 'B', last_fetched_date = '2026-01-01Z', name = 'n'`,
      `update security_mappings set end_date = end_date - interval '1 day' where end_date is not null`,
      `update security_mappings set start_date = start_date - interval '10 years', end_date = end_date - interval '10 years'`,
      `update security_mappings set id = default`,
      `update security_mappings set end_date = '2029-01-01Z' where end_date is null`,
      `delete from security_mappings where identifier_value = '${CUSIP}' and start_date > '2010-03-01Z'`,
      `update security_mappings set ticker = null, has_no_results = true where identifier_type = 'ISIN'`,
      `update security_mappings set ticker = 'none' where false`,
      `insert into security_mappings (identifier_type, identifier_value, ticker, start_date, last_fetched_date) select 'CUSIP', '${CUSIP}', 'A', now(), now() where false`,
    ]) {
      assert.is(await refusal(sql, (s) => s.unsafe(statement)), null, statement)
    }
  })
})

/** Waits until the session waits for another one. */
async function untilBlocked(watcher: Session, pid: number): Promise<void> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(10)) {
    const [row] = await watcher.sql<[{ blocked: boolean }]>`
      select cardinality(pg_blocking_pids(${pid})) > 0 as blocked`
    if (row.blocked) return
  }
  throw new Error('The second session did not wait for the first')
}

test('of two sessions that each write one of two overlapping periods, the second fails once the first commits', async () => {
  await withDatabase(async ({ url }) => {
    await using first = await openSession(url)
    await using second = await openSession(url)
    await using watcher = await openSession(url)
    const pairs: [string, string][] = [
      [
        `insert into security_mappings (identifier_type, identifier_value, ticker, start_date, end_date, last_fetched_date) values ('CUSIP', '${CUSIP}', 'A', '2020-01-01Z', '2020-03-01Z', '2020-01-01Z')`,
        `insert into security_mappings (identifier_type, identifier_value, ticker, start_date, end_date, last_fetched_date) values ('CUSIP', '${CUSIP}', 'B', '2020-02-01Z', '2020-04-01Z', '2020-02-01Z')`,
      ],
      [
        `insert into security_mappings (identifier_type, identifier_value, ticker, start_date, end_date, last_fetched_date) values ('CUSIP', '${makeCusip(2)}', 'A', '2020-01-01Z', '2020-03-01Z', '2020-01-01Z')`,
        `select from upsert_mapping('CUSIP', '${makeCusip(2)}', 'B', '2020-02-01Z')`,
      ],
      [
        `update security_mappings set end_date = '2020-05-01Z' where ticker = 'A' and identifier_value = '${makeCusip(3)}'`,
        `update security_mappings set start_date = '2020-04-01Z' where ticker = 'B' and identifier_value = '${makeCusip(3)}'`,
      ],
    ]
    await write(
      first.sql,
      { value: makeCusip(3), end: '2020-02-01Z' },
      { value: makeCusip(3), ticker: 'B', start: '2020-06-01Z' },
    )
    for (const [place, [one, other]] of pairs.entries()) {
      await first.sql`begin`
      await first.sql.unsafe(one)
      const failing = failureOf(second.sql.unsafe(other))
      await untilBlocked(watcher, second.pid)
      await first.sql`commit`
      const failure = await failing
      if (place === 1) assert.is(failure, null, 'an older observation changes nothing')
      else assert.is(failure?.constraint_name, OVERLAP, other)
    }
    const [row] = await watcher.sql`
      select count(*)::int as count
      from security_mappings a
      join security_mappings b using (identifier_type, identifier_value)
      where a.id < b.id
        and a.start_date < coalesce(b.end_date, 'infinity')
        and b.start_date < coalesce(a.end_date, 'infinity')`
    assert.is(row?.count, 0)
  })
})

test('of two sessions that each write one of two overlapping periods, the second passes once the first rolls back', async () => {
  await withDatabase(async ({ url }) => {
    await using first = await openSession(url)
    await using second = await openSession(url)
    await using watcher = await openSession(url)
    await first.sql`begin`
    await write(first.sql, { end: '2020-03-01Z' })
    const writing = failureOf(write(second.sql, { start: '2020-02-01Z', end: '2020-04-01Z' }))
    await untilBlocked(watcher, second.pid)
    await first.sql`rollback`
    assert.is(await writing, null)
  })
})

test('one overlap among thousands of rows is refused, with another row of the statement and with one before it', async () => {
  await withRollback(async (sql) => {
    const cusips = Array.from({ length: 2000 }, (_, n) => makeCusip(n))
    const fill = (s: Sql, start: string, end: string, others: readonly string[] = []) => s`
      insert into security_mappings (identifier_type, identifier_value, ticker, start_date, end_date, last_fetched_date)
      select 'CUSIP', c, 'A', ${start}::text::timestamptz, ${end}::text::timestamptz, ${start}::text::timestamptz
      from unnest(${cusips}::text[]) c
      union all
      select 'CUSIP', c, 'B', '2020-06-01Z', '2020-07-01Z', '2020-06-01Z'
      from unnest(${others}::text[]) c`
    const [last = ''] = cusips.slice(-1)
    assert.is(await nameOf(sql, (s) => fill(s, '2020-01-01Z', '2020-06-02Z', [last])), OVERLAP)
    await fill(sql, '2020-01-01Z', '2020-06-01Z', [last])
    assert.is(await nameOf(sql, (s) => fill(s, '2020-06-30Z', '2020-08-01Z')), OVERLAP)
    await fill(sql, '2020-07-01Z', '2020-08-01Z')
    const [planner] = await sql`
      select current_setting('enable_seqscan') as seqscan, current_setting('enable_hashjoin') as hashjoin, current_setting('enable_nestloop') as nestloop`
    assert.equal({ ...planner }, { seqscan: 'on', hashjoin: 'on', nestloop: 'on' })
  })
})

test('10,000 rows written by one statement take no minutes, in an empty table and in a full one, also after a single row', async () => {
  await withRollback(async (sql) => {
    // The triggers keep the plans that they made for these.
    await write(sql, { ticker: 'ONE', end: '2020-02-01Z' })
    await sql`update security_mappings set end_date = end_date + interval '1 day' where ticker = 'ONE'`
    await sql`delete from security_mappings where ticker = 'ONE'`
    for (const year of [2020, 2021, 2022]) {
      const cusips = Array.from({ length: 10_000 }, (_, n) => makeCusip(n))
      const began = performance.now()
      await sql`
        insert into security_mappings (identifier_type, identifier_value, ticker, start_date, end_date, last_fetched_date)
        select 'CUSIP', c, 'A', make_date(${year}, 1, 1), make_date(${year + 1}, 1, 1), make_date(${year}, 1, 1)
        from unnest(${cusips}::text[]) c`
      await sql`update security_mappings set end_date = end_date - interval '1 day' where ticker = 'A'`
      await sql`update security_mappings set end_date = end_date + interval '1 hour' where ticker = 'A'`
      const took = performance.now() - began
      // What is quadratic takes minutes.
      assert.ok(took < 100_000, `${took} ms`)
    }
  })
})

test.run()
