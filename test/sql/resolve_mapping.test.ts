import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withDatabase, withRollback } from '../support/database.ts'
import fc from '../support/fast_check.ts'
import { isinOf, makeCins, makeCusip, makeIsin } from '../support/identifiers_maker.ts'
import { failureOf, observe, openSession, requestsFor, resolve } from '../support/mappings.ts'

const test = suite('resolve_mapping')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

const CUSIP = makeCusip(1)
const ISIN = makeIsin(1, 'KY')

const missed = (type: string, value: string, fetch_requested = true) => ({
  identifier_type: type,
  identifier_value: value,
  ticker: null,
  status: 'miss',
  fetch_requested,
  resolved_via: null,
})

const jobsOf = async (sql: Sql) =>
  (await sql`select from graphile_worker.jobs where task_identifier = 'fetch_mappings'`).length

const found = (type: string, value: string, ticker: string | null, status: string, via = type) => ({
  identifier_type: type,
  identifier_value: value,
  ticker,
  status,
  fetch_requested: status === 'stale',
  resolved_via: via,
})

test('an identifier with a fresh ticker is a hit, and nothing is fetched', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', CUSIP, 'AAPL')
    await observe(sql, 'ISIN', ISIN, 'BRK/B')
    assert.equal(await resolve(sql, 'CUSIP', CUSIP), found('CUSIP', CUSIP, 'AAPL', 'hit'))
    assert.equal(await resolve(sql, 'ISIN', ISIN), found('ISIN', ISIN, 'BRK/B', 'hit'))
    assert.is(await requestsFor(sql, 'CUSIP', CUSIP), 0)
  })
})

test('the whole mapping comes with a hit', async () => {
  await withRollback(async (sql) => {
    const [written] = await sql`
      select * from upsert_mapping(
        'CUSIP', ${CUSIP}, 'AAPL', clock_timestamp(), 'F', 'CF', 'SF', 'APPLE INC', 'US', 'Common Stock', 'Stock', 'Equity',
        '[{"ticker": "APC"}]'::jsonb, 'import'
      )`
    const [row] = await sql`select * from resolve_mapping('CUSIP', ${CUSIP})`
    const expected = { ...written } as Record<string, unknown>
    delete expected.created_at
    delete expected.updated_at
    delete expected.is_derived
    const { status, fetch_requested, resolved_via, ...mapping } = { ...row } as Record<string, unknown>
    assert.equal(mapping, expected)
    assert.equal(
      { status, fetch_requested, resolved_via },
      { status: 'hit', fetch_requested: false, resolved_via: 'CUSIP' },
    )
  })
})

test('a fresh answer of no results is negative, and nothing is fetched', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', CUSIP, null)
    assert.equal(await resolve(sql, 'CUSIP', CUSIP), found('CUSIP', CUSIP, null, 'negative'))
    assert.is(await requestsFor(sql, 'CUSIP', CUSIP), 0)
  })
})

test('what is not known is a miss, requested once however often it is asked for', async () => {
  await withRollback(async (sql) => {
    const before = await jobsOf(sql)
    assert.equal(await resolve(sql, 'CUSIP', CUSIP), missed('CUSIP', CUSIP))
    assert.equal(await resolve(sql, 'CUSIP', CUSIP), missed('CUSIP', CUSIP))
    assert.equal(await resolve(sql, 'ISIN', ISIN), missed('ISIN', ISIN))
    assert.is(await requestsFor(sql, 'CUSIP', CUSIP), 1)
    assert.is(await requestsFor(sql, 'ISIN', ISIN), 1)
    assert.is(await jobsOf(sql), before + 1, 'one job a transaction')
  })
})

test('an old ticker is served as stale while it is fetched, an old negative as stale without one', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', CUSIP, 'OLD', '2020-01-01')
    await observe(sql, 'ISIN', ISIN, null, '2020-01-01')
    assert.equal(await resolve(sql, 'CUSIP', CUSIP), found('CUSIP', CUSIP, 'OLD', 'stale'))
    assert.equal(await resolve(sql, 'CUSIP', CUSIP), found('CUSIP', CUSIP, 'OLD', 'stale'))
    assert.equal(await resolve(sql, 'ISIN', ISIN), found('ISIN', ISIN, null, 'stale'))
    assert.is(await requestsFor(sql, 'CUSIP', CUSIP), 1)
    assert.is(await requestsFor(sql, 'ISIN', ISIN), 1)
  })
})

test('a type in any case and an identifier with blanks, hyphens or lost zeros find the same row', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', '037833100', 'AAPL')
    await observe(sql, 'ISIN', 'GB0002634946', 'BA/')
    for (const [type, value] of [
      ['cusip', '037833100'],
      [' Cusip\t', '037833100'],
      ['CUSIP', '37833100'],
      ['CUSIP', ' 037-833-100 '],
      ['\u00a0cusip', '037\u00a0833100'],
    ] as const) {
      assert.equal(await resolve(sql, type, value), found('CUSIP', '037833100', 'AAPL', 'hit'), value)
    }
    for (const value of ['gb0002634946', 'GB 0002634946', 'gb-000-2634946\n']) {
      assert.equal(await resolve(sql, 'isin', value), found('ISIN', 'GB0002634946', 'BA/', 'hit'), value)
      assert.equal(
        await resolve(sql, ' isin', value, { asOf: 'infinity' }),
        found('ISIN', 'GB0002634946', 'BA/', 'hit'),
      )
    }
    const [row] = await sql`select count(*)::int as count from figi_private.fetch_requests`
    assert.is(row?.count, 0)
  })
})

test('damage that the check digit does not prove is invalid, as is a type that is none, and comes back as it came', async () => {
  await withRollback(async (sql) => {
    for (const [type, value] of [
      ['CUSIP', '037833101'],
      ['CUSIP', '3.78E+07'],
      ['CUSIP', '000000000'],
      ['CUSIP', 'US0378331005'],
      ['ISIN', '037833100'],
      ['ISIN', 'US0378331006'],
      ['CUSIP', ''],
      ['CUSIP', ' '],
      ['CUSIP', null],
      ['FIGI', '037833100'],
      ['', '037833100'],
      [null, '037833100'],
      [null, null],
    ] as const) {
      for (const when of [{}, { asOf: '2020-01-01' }, { maxAge: '0' }]) {
        assert.equal(await resolve(sql, type, value, when), {
          identifier_type: type,
          identifier_value: value,
          ticker: null,
          status: 'invalid',
          fetch_requested: false,
          resolved_via: null,
        })
      }
    }
    const [row] = await sql`select count(*)::int as count from figi_private.fetch_requests`
    assert.is(row?.count, 0)
  })
})

const NOTHING = '\u0000'

const hostileText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }).filter((text) => text.isWellFormed()),
  fc.string({ unit: 'grapheme-composite', maxLength: 20 }),
  fc.nat(1000).map(makeCusip),
  fc.nat(1000).map((n) => makeIsin(n)),
  fc.nat(1000).map((n) => makeCins(n).toLowerCase()),
  fc.constantFrom('CUSIP', 'ISIN', 'cusip', '%', "'", '\\', '"; drop table', NOTHING),
)

test('one row comes out whatever goes in, through both forms, with and without an instant', async () => {
  await withRollback(async (sql) => {
    const known = Array.from({ length: 1000 }, (_, n) => makeCusip(n)).filter((_, n) => n % 3 > 0)
    await sql`
      select from upsert_mappings(
        array_fill('CUSIP'::text, array[${known.length}::int]), ${known},
        ${known.map((_, place) => (place % 2 ? 'T' : null))}
      )`
    const storable = (text: string) => (text.includes('\0') ? null : text)
    const inputs = fc
      .sample(
        fc.record({
          type: fc.oneof(fc.constantFrom('CUSIP', 'ISIN'), hostileText).map(storable),
          value: hostileText.map(storable),
        }),
        2000,
      )
      .concat([{ type: null, value: null }])
    const rows = await sql<
      { place: number; status: string; inlined: number; untyped: number; past: number }[]
    >`
      select
        i.place::int,
        min(r.status) as status,
        count(r.status)::int as inlined,
        (select count(u.status)::int from resolve_mapping(i.value) u) as untyped,
        (select count(p.status)::int from resolve_mapping(i.type, i.value, '2020-01-01') p) as past
      from unnest(${inputs.map((i) => i.type)}::text[], ${inputs.map((i) => i.value)}::text[])
        with ordinality as i (type, value, place)
      left join lateral resolve_mapping(i.type, i.value) r on true
      group by i.place, i.type, i.value`
    assert.is(rows.length, inputs.length)
    for (const row of rows) {
      const input = JSON.stringify(inputs[row.place - 1])
      assert.equal([row.inlined, row.untyped, row.past], [1, 1, 1], input)
      assert.ok(['hit', 'negative', 'miss', 'invalid'].includes(row.status), input)
    }
    for (const status of ['hit', 'negative', 'miss', 'invalid'])
      assert.ok(
        rows.some((row) => row.status === status),
        status,
      )
  })
})

test('a megabyte of anything is invalid, or found where it is blanks around an identifier', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', CUSIP, 'AAPL')
    for (const filling of ['A', '0', '€', '\n', "'"]) {
      const long = filling.repeat(1_000_000)
      assert.is((await resolve(sql, 'CUSIP', long)).status, 'invalid')
      assert.is((await resolve(sql, long, CUSIP)).status, 'invalid')
      const [row] = await sql`select status from resolve_mapping(${long})`
      assert.is(row?.status, 'invalid')
    }
    assert.is((await resolve(sql, 'CUSIP', `${CUSIP}${' '.repeat(1_000_000)}`)).ticker, 'AAPL')
  })
})

test('arguments of type char, varchar, name and of a column with another collation are text like any other', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', CUSIP, 'AAPL')
    await sql.unsafe(`
      create table holdings (a char(12), b varchar(20), c name, d text collate "C", e text collate "POSIX");
      insert into holdings values ('${CUSIP}', '${CUSIP}', '${CUSIP}', '${CUSIP}', '${CUSIP}');
    `)
    for (const column of ['a', 'b', 'c', 'd', 'e']) {
      const rows = await sql`
        select r.ticker, u.ticker as untyped, c.ticker as by_char
        from holdings h
        cross join lateral resolve_mapping('CUSIP', ${sql(`h.${column}`)}) r
        cross join lateral resolve_mapping(${sql(`h.${column}`)}) u
        cross join lateral resolve_mapping('CUSIP'::char(8), ${sql(`h.${column}`)}) c`
      assert.equal({ ...rows[0] }, { ticker: 'AAPL', untyped: 'AAPL', by_char: 'AAPL' }, column)
    }
  })
})

test('the form with one argument tells the type from the value', async () => {
  await withRollback(async (sql) => {
    const cins = makeCins(3)
    await observe(sql, 'CUSIP', '037833100', 'AAPL')
    await observe(sql, 'CUSIP', cins, 'CINS')
    await observe(sql, 'ISIN', ISIN, 'KY')
    const answers = await sql`
      select r.identifier_type, r.identifier_value, r.ticker, r.status
      from unnest(${['037833100', '37833100', cins.toLowerCase(), ISIN, 'GB0002634946', 'nonsense', null]}::text[])
        with ordinality as i (value, place)
      cross join lateral resolve_mapping(i.value) r
      order by i.place`
    assert.equal(
      answers.map((row) => Object.values(row)),
      [
        ['CUSIP', '037833100', 'AAPL', 'hit'],
        ['CUSIP', '037833100', 'AAPL', 'hit'],
        ['CUSIP', cins, 'CINS', 'hit'],
        ['ISIN', ISIN, 'KY', 'hit'],
        ['ISIN', 'GB0002634946', null, 'miss'],
        [null, 'nonsense', null, 'invalid'],
        [null, null, null, 'invalid'],
      ],
    )
  })
})

test('the age limit is the argument, else the setting, else 60 days', async () => {
  await withRollback(async (sql) => {
    await sql`select from upsert_mapping('CUSIP', ${CUSIP}, 'T', now() - interval '59 days')`
    await sql`select from upsert_mapping('ISIN', ${ISIN}, 'T', now() - interval '61 days')`
    const statuses = async (maxAge: string | null) => [
      (await resolve(sql, 'CUSIP', CUSIP, { maxAge })).status,
      (await resolve(sql, 'ISIN', ISIN, { maxAge })).status,
    ]
    assert.equal(await statuses(null), ['hit', 'stale'])
    assert.equal(await statuses('90 days'), ['hit', 'hit'])
    assert.equal(await statuses('1 day'), ['stale', 'stale'])
    await sql`set local pgfigi.cache_max_age to '62 days'`
    assert.equal(await statuses(null), ['hit', 'hit'])
    assert.equal(await statuses('60 days'), ['hit', 'stale'])
    await sql`set local pgfigi.cache_max_age to '0'`
    assert.equal(await statuses(null), ['stale', 'stale'])
    assert.equal(await statuses('90 days'), ['hit', 'hit'])
    await sql`set local pgfigi.cache_max_age to ''`
    assert.equal(await statuses(null), ['hit', 'stale'])
  })
})

test('what resolve_mapping reads tells the fresh from the stale as is_fresh does', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', CUSIP, 'T')
    for (const setting of ['', '0', '1 day', '62 days']) {
      await sql`select set_config('pgfigi.cache_max_age', ${setting}, true)`
      for (const age of ['-1 day', '0', '1 day', '59 days', '61 days', '63 days']) {
        await sql`update security_mappings set last_fetched_date = statement_timestamp() - ${age}::interval`
        const [answer] = await sql`
          select
            p.age < p.default_max_age as by_view,
            figi_private.is_fresh((p.answer).last_fetched_date, null) as by_function
          from figi_private.period_answers p`
        assert.is(answer?.by_view, answer?.by_function, `${age} old where the setting is '${setting}'`)
      }
    }
  })
})

test('alter database sets the age limit for the sessions to come', async () => {
  await withDatabase(async ({ sql, url }) => {
    await sql`select 1`
    await sql`select from upsert_mapping('CUSIP', ${CUSIP}, 'T', now() - interval '59 days')`
    const [database] = await sql`select current_database() as name`
    await sql`alter database ${sql(database?.name)} set pgfigi.cache_max_age to '30 days'`
    await using later = await openSession(url)
    assert.is((await resolve(sql, 'CUSIP', CUSIP)).status, 'hit', 'a session that began before')
    assert.is((await resolve(later.sql, 'CUSIP', CUSIP)).status, 'stale')
  })
})

test('zero is always stale: in the same transaction, in the same statement and for an observation in the future', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', CUSIP, 'T')
    assert.is((await resolve(sql, 'CUSIP', CUSIP, { maxAge: '0' })).status, 'stale')
    await sql`select from upsert_mapping('ISIN', ${ISIN}, 'T', now() + interval '10 years')`
    assert.is((await resolve(sql, 'ISIN', ISIN, { maxAge: '0' })).status, 'stale')
    assert.is((await resolve(sql, 'ISIN', ISIN)).status, 'hit')
    const [row] = await sql`
      do $$
      declare
        v_status text;
      begin
        perform public.upsert_mapping('CUSIP', '037833100', 'T');
        select r.status into v_status from public.resolve_mapping('CUSIP', '037833100', max_age => '0') r;
        if v_status <> 'stale' then
          raise exception 'status is %', v_status;
        end if;
      end
      $$`
    assert.is(row, undefined)
  })
})

test('ages that are huge, negative or made of months never raise', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', CUSIP, 'T')
    await sql`select from upsert_mapping('ISIN', ${ISIN}, 'T', '4000-01-01 BC')`
    const [version] = await sql`select current_setting('server_version_num')::int as number`
    const ages: [string, string, string][] = [
      ['178000000 years', 'hit', 'hit'],
      ['2147483647 months', 'hit', 'hit'],
      ['2147483647 days', 'hit', 'hit'],
      ['-178000000 years', 'stale', 'stale'],
      ['-1 second', 'stale', 'stale'],
      ['1 month -30 days', 'stale', 'stale'],
      ['3000 years', 'hit', 'stale'],
    ]
    if (version?.number >= 170000) ages.push(['infinity', 'hit', 'hit'], ['-infinity', 'stale', 'stale'])
    for (const [maxAge, cusip, isin] of ages) {
      assert.is((await resolve(sql, 'CUSIP', CUSIP, { maxAge })).status, cusip, maxAge)
      assert.is((await resolve(sql, 'ISIN', ISIN, { maxAge })).status, isin, maxAge)
    }
  })
})

test('the oldest and the latest instants that Postgres knows are observations like any other', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', makeCusip(10), 'OLD', '4714-11-24 00:00:00+00 BC')
    await observe(sql, 'CUSIP', makeCusip(11), 'NEW', '294276-12-31 23:59:59+00')
    for (const maxAge of [null, '0', '1 day', '178000000 years']) {
      await resolve(sql, 'CUSIP', makeCusip(10), { maxAge })
      await resolve(sql, 'CUSIP', makeCusip(11), { maxAge })
    }
    assert.is((await resolve(sql, 'CUSIP', makeCusip(10))).status, 'stale')
    assert.is((await resolve(sql, 'CUSIP', makeCusip(11))).status, 'hit')
  })
})

/** A until 2020, B until 2022, then unknown until 2023, then no results until 2024, then C. */
async function writeHistory(sql: Sql): Promise<void> {
  await sql`
    insert into security_mappings (identifier_type, identifier_value, ticker, has_no_results, start_date, end_date, last_fetched_date)
    values
      ('CUSIP', ${CUSIP}, 'A', false, '2019-01-01Z', '2020-01-01Z', '2019-06-01Z'),
      ('CUSIP', ${CUSIP}, 'B', false, '2020-01-01Z', '2022-01-01Z', '2021-06-01Z'),
      ('CUSIP', ${CUSIP}, null, true, '2023-01-01Z', '2024-01-01Z', '2023-06-01Z'),
      ('CUSIP', ${CUSIP}, 'C', false, '2024-01-01Z', null, '2024-06-01Z')`
}

test('as of an instant, the period that covers it answers, however old, and nothing is fetched', async () => {
  await withRollback(async (sql) => {
    await writeHistory(sql)
    for (const [asOf, ticker, status] of [
      ['-infinity', null, 'miss'],
      ['2018-12-31 23:59:59.999999Z', null, 'miss'],
      ['2019-01-01Z', 'A', 'hit'],
      ['2019-12-31 23:59:59.999999Z', 'A', 'hit'],
      ['2020-01-01Z', 'B', 'hit'],
      ['2022-01-01Z', null, 'miss'],
      ['2022-06-01Z', null, 'miss'],
      ['2023-01-01Z', null, 'negative'],
      ['2024-01-01Z', 'C', 'hit'],
      ['2030-01-01Z', 'C', 'hit'],
      ['infinity', 'C', 'hit'],
    ] as const) {
      for (const maxAge of [null, '0']) {
        const expected =
          status === 'miss' ? missed('CUSIP', CUSIP, false) : found('CUSIP', CUSIP, ticker, status)
        assert.equal(await resolve(sql, 'CUSIP', CUSIP, { asOf, maxAge }), expected, asOf)
        assert.equal(await resolve(sql, 'cusip', ` ${CUSIP}`, { asOf, maxAge }), expected, asOf)
      }
    }
    assert.is(await requestsFor(sql, 'CUSIP', CUSIP), 0)
    assert.equal(await resolve(sql, 'CUSIP', CUSIP), found('CUSIP', CUSIP, 'C', 'stale'))
  })
})

test('as of an instant, a fetch is requested only where nothing at all is known, of the sister neither', async () => {
  await withRollback(async (sql) => {
    assert.equal(await resolve(sql, 'CUSIP', CUSIP, { asOf: '2020-01-01' }), missed('CUSIP', CUSIP))
    await observe(sql, 'CUSIP', makeCusip(20), 'SISTER', '2024-01-01')
    await observe(sql, 'ISIN', makeIsin(21, 'CA'), 'SISTER', '2024-01-01')
    await observe(sql, 'ISIN', makeIsin(22), null, '2024-01-01')
    const past = { asOf: '2020-01-01' }
    assert.equal(await resolve(sql, 'ISIN', makeIsin(20), past), missed('ISIN', makeIsin(20), false))
    assert.equal(await resolve(sql, 'CUSIP', makeCusip(21), past), missed('CUSIP', makeCusip(21), false))
    assert.equal(
      await resolve(sql, 'CUSIP', makeCusip(22), past),
      missed('CUSIP', makeCusip(22)),
      'a negative sister says nothing',
    )
    assert.equal(
      await resolve(sql, 'ISIN', makeIsin(22), past),
      missed('ISIN', makeIsin(22), false),
      'a negative of its own does',
    )
  })
})

test('the CUSIP within a US or CA ISIN answers for it, and the ISIN around a CUSIP', async () => {
  await withRollback(async (sql) => {
    for (const [n, country] of [
      [30, 'US'],
      [31, 'CA'],
    ] as const) {
      await observe(sql, 'CUSIP', makeCusip(n), `C${n}`)
      const isin = makeIsin(n, country)
      assert.equal(await resolve(sql, 'ISIN', isin), found('ISIN', isin, `C${n}`, 'hit', 'CUSIP'))
      assert.equal(
        await resolve(sql, 'ISIN', ` ${isin.toLowerCase()}`),
        found('ISIN', isin, `C${n}`, 'hit', 'CUSIP'),
      )
      await observe(sql, 'ISIN', makeIsin(n + 10, country), `I${n}`)
      const cusip = makeCusip(n + 10)
      assert.equal(await resolve(sql, 'CUSIP', cusip), found('CUSIP', cusip, `I${n}`, 'hit', 'ISIN'))
      const [row] = await sql`select ticker, resolved_via from resolve_mapping(${cusip})`
      assert.equal({ ...row }, { ticker: `I${n}`, resolved_via: 'ISIN' })
    }
    const [row] = await sql`select count(*)::int as count from figi_private.fetch_requests`
    assert.is(row?.count, 0)
  })
})

test('where a US and a CA ISIN contain the same CUSIP, the US one answers', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'ISIN', makeIsin(1, 'CA'), 'CA')
    await observe(sql, 'ISIN', makeIsin(1, 'US'), 'US')
    assert.is((await resolve(sql, 'CUSIP', CUSIP)).ticker, 'US')
  })
})

test('no other ISIN has a sister, also where characters 3 to 11 happen to be a valid CUSIP', async () => {
  await withRollback(async (sql) => {
    for (const country of ['KY', 'BM', 'IL', 'GB', 'XS']) {
      const nine = country === 'KY' || country === 'BM' ? makeCins(40) : makeCusip(41)
      const isin = isinOf(country, nine)
      await observe(sql, 'CUSIP', nine, 'COINCIDENCE')
      assert.equal(await resolve(sql, 'ISIN', isin), missed('ISIN', isin), country)
    }
    for (const country of ['KY', 'IL', 'ZA']) {
      const cusip = makeCusip(50)
      await observe(sql, 'ISIN', isinOf(country, cusip), 'COINCIDENCE')
      assert.equal(await resolve(sql, 'CUSIP', cusip), missed('CUSIP', cusip), country)
    }
  })
})

test('a negative sister is no hit, a stale one is stale, a closed one is a miss', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', makeCusip(60), null)
    assert.equal(await resolve(sql, 'ISIN', makeIsin(60)), missed('ISIN', makeIsin(60)))
    await observe(sql, 'CUSIP', makeCusip(61), 'OLD', '2020-01-01')
    assert.equal(
      await resolve(sql, 'ISIN', makeIsin(61)),
      found('ISIN', makeIsin(61), 'OLD', 'stale', 'CUSIP'),
    )
    assert.is(await requestsFor(sql, 'ISIN', makeIsin(61)), 1, 'what was asked for is fetched')
    assert.is(await requestsFor(sql, 'CUSIP', makeCusip(61)), 0)
    await observe(sql, 'ISIN', makeIsin(62), 'OLD', '2020-01-01')
    assert.equal(
      await resolve(sql, 'CUSIP', makeCusip(62), { maxAge: '1 day' }),
      found('CUSIP', makeCusip(62), 'OLD', 'stale', 'ISIN'),
    )
    await observe(sql, 'CUSIP', makeCusip(63), 'GONE')
    await sql`select clear_cache()`
    assert.equal(await resolve(sql, 'ISIN', makeIsin(63)), missed('ISIN', makeIsin(63)))
  })
})

test('an own row goes before the sister, also an own negative', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', makeCusip(70), 'SISTER')
    await observe(sql, 'ISIN', makeIsin(70), null)
    assert.equal(await resolve(sql, 'ISIN', makeIsin(70)), found('ISIN', makeIsin(70), null, 'negative'))
  })
})

test('as of an instant, the period of the sister that covers it answers', async () => {
  await withRollback(async (sql) => {
    await writeHistory(sql)
    const isin = makeIsin(1)
    for (const [asOf, ticker] of [
      ['2019-06-01', 'A'],
      ['2021-01-01', 'B'],
      ['2022-06-01', null],
      ['2023-06-01', null],
      ['infinity', 'C'],
    ] as const) {
      const expected = ticker ? found('ISIN', isin, ticker, 'hit', 'CUSIP') : missed('ISIN', isin, false)
      assert.equal(await resolve(sql, 'ISIN', isin, { asOf }), expected, asOf)
    }
  })
})

test('a read-only transaction gets the same answers, with no fetch requested', async () => {
  await withDatabase(async ({ sql }) => {
    await observe(sql, 'CUSIP', makeCusip(80), 'NEW')
    await observe(sql, 'CUSIP', makeCusip(81), 'OLD', '2020-01-01')
    for (const mode of ['read only', 'isolation level serializable, read only, deferrable']) {
      await sql.begin(mode, async (transaction) => {
        assert.equal(
          await resolve(transaction, 'CUSIP', makeCusip(80)),
          found('CUSIP', makeCusip(80), 'NEW', 'hit'),
        )
        assert.equal(await resolve(transaction, 'CUSIP', makeCusip(81)), {
          ...found('CUSIP', makeCusip(81), 'OLD', 'stale'),
          fetch_requested: false,
        })
        assert.equal(
          await resolve(transaction, 'CUSIP', makeCusip(82)),
          missed('CUSIP', makeCusip(82), false),
        )
        assert.is((await resolve(transaction, 'ISIN', makeIsin(80))).resolved_via, 'CUSIP')
        assert.is((await resolve(transaction, 'CUSIP', 'nonsense')).status, 'invalid')
      })
    }
    const [row] = await sql`select count(*)::int as count from figi_private.fetch_requests`
    assert.is(row?.count, 0)
  })
})

test('without the schema of the worker a miss is requested all the same', async () => {
  await withRollback(async (sql) => {
    await sql`drop schema graphile_worker cascade`
    assert.equal(await resolve(sql, 'CUSIP', CUSIP), missed('CUSIP', CUSIP))
    assert.is(await requestsFor(sql, 'CUSIP', CUSIP), 1)
  })
})

test('a miss in a savepoint that is rolled back is requested, with its job, when it is asked for again', async () => {
  await withRollback(async (sql) => {
    const before = await jobsOf(sql)
    await failureOf(
      sql.savepoint(async (savepoint) => {
        assert.is((await resolve(savepoint, 'CUSIP', CUSIP)).fetch_requested, true)
        throw new Error('back')
      }),
    )
    assert.is(await requestsFor(sql, 'CUSIP', CUSIP), 0)
    assert.equal(await resolve(sql, 'CUSIP', CUSIP), missed('CUSIP', CUSIP))
    assert.is(await jobsOf(sql), before + 1)
  })
})

test('a setting that is no interval is refused by name and not taken for 60 days', async () => {
  await withRollback(async (sql) => {
    await observe(sql, 'CUSIP', CUSIP, 'T')
    await sql`set local pgfigi.cache_max_age to 'sixty'`
    assert.is((await failureOf(sql.savepoint((s) => resolve(s, 'CUSIP', CUSIP))))?.code, '22007')
    assert.is((await resolve(sql, 'CUSIP', CUSIP, { maxAge: '1 day' })).status, 'hit')
  })
})

test.run()
