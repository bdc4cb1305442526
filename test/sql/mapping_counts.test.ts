import type { ISql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withDatabase, withRollback } from '../support/database.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { failureOf, observe, openSession } from '../support/mappings.ts'

const test = suite('how many mappings there are')

type Sql = ISql

/** What mapping_totals says and what the table says, by one snapshot. */
async function totals(sql: Sql): Promise<{ told: object; there: object }> {
  const [row] = await sql<{ told: object; there: object }[]>`
    select
      (select to_jsonb(t) from figi_private.mapping_totals() t) as told,
      (
        select jsonb_build_object(
          'found', count(*) filter (where end_date is null and ticker is not null),
          'negatives', count(*) filter (where end_date is null and ticker is null),
          'stale', count(*) filter (where end_date is null and not figi_private.is_fresh(last_fetched_date, null)),
          'ended', count(*) filter (where end_date is not null)
        )
        from public.security_mappings
      ) as there`
  if (!row) throw new Error('no row')
  return row
}

async function assertRight(sql: Sql, when: string): Promise<void> {
  const { told, there } = await totals(sql)
  assert.equal(told, there, when)
}

const upsert = (sql: Sql, numbers: readonly number[], ticker: string | null, at: string | null = null) => sql`
  select from public.upsert_mappings(
    array_fill('CUSIP'::text, array[${numbers.length}::int]), ${numbers.map(makeCusip)},
    ${numbers.map(() => ticker) as string[]}::text[], coalesce(${at}::text::timestamptz, clock_timestamp())
  )`

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n)

test('are counted through all that is done to them', () =>
  withRollback(async (sql) => {
    await assertRight(sql, 'nothing')
    await upsert(sql, range(0, 300), 'OLD', '2020-01-01')
    await upsert(sql, range(300, 400), null)
    await assertRight(sql, 'inserted')
    await upsert(sql, range(0, 100), 'OLD')
    await assertRight(sql, 'seen again, in another hour')
    await upsert(sql, range(100, 350), 'NEW')
    await assertRight(sql, 'turned')
    assert.equal((await totals(sql)).told, { found: 350, negatives: 50, stale: 0, ended: 250 })

    await sql`
      select from figi_private.record_sightings(
        array_fill('CUSIP'::text, array[3]), ${[5, 5, 900].map(makeCusip)}, '{X,Y,Z}',
        '{2018-01-01,2018-02-01,2018-03-01}', '{null,null,2018-03-02}', array_fill(null::timestamptz, array[3]),
        array_fill(null::jsonb, array[3]), 'import'
      )`
    await assertRight(sql, 'imported')
    await observe(sql, 'CUSIP', makeCusip(900), 'Z')
    await assertRight(sql, 'observed over what was imported')
    await sql`delete from public.security_mappings where id % 3 = 0`
    await sql`update public.security_mappings set last_fetched_date = last_fetched_date - interval '70 days' where id % 2 = 0`
    await sql`
      update public.security_mappings m set end_date = null
      where not exists (
        select from public.security_mappings later
        where later.identifier_value = m.identifier_value and later.start_date > m.start_date
      )`
    await assertRight(sql, 'changed by hand')
    await sql`select figi_private.fold_mapping_counts()`
    await assertRight(sql, 'folded')
    const [folded] = await sql`
      select count(*) = count(distinct fetched_hour) as one_an_hour from figi_private.mapping_counts`
    assert.is(folded?.one_an_hour, true)

    await failureOf(
      sql.savepoint(async (inner) => {
        await inner`delete from public.security_mappings`
        await inner`select figi_private.fold_mapping_counts()`
        throw new Error('undone')
      }),
    )
    await assertRight(sql, 'rolled back')
    const rows = await sql<{ row: object }[]>`select to_jsonb(m) as row from public.security_mappings m`
    await sql`select public.clear_cache()`
    await assertRight(sql, 'cleared')
    await sql`select public.purge_cache()`
    assert.equal((await totals(sql)).told, { found: 0, negatives: 0, stale: 0, ended: 0 }, 'purged')
    await sql`
      select from figi_private.restore_rows('security_mappings', ${JSON.stringify(rows.map(({ row }) => row))}::text::jsonb)`
    await assertRight(sql, 'restored')
    await sql`truncate public.security_mappings`
    await assertRight(sql, 'truncated')
  }))

test('are told stale by the same rule as lookups, whatever the setting and the instant', () =>
  withRollback(async (sql) => {
    await sql`alter table public.security_mappings disable trigger user`
    await sql`
      insert into public.security_mappings (identifier_type, identifier_value, ticker, start_date, last_fetched_date)
      select 'CUSIP', v, 'T', '2000-01-01', statement_timestamp() - place * interval '48 hours' - shift
      from unnest(${range(0, 600).map(makeCusip)}::text[]) with ordinality as i (v, place)
      cross join lateral (
        select (array['0', '1 microsecond', '-1 microsecond', '59 minutes', '-400 days']::interval[])[1 + place % 5] as shift
      ) s`
    await sql`alter table public.security_mappings enable trigger user`
    assert.ok(Number((await sql`select figi_private.recount_mappings() as hours`)[0]?.hours) > 50)
    await assertRight(sql, 'recounted')
    for (const age of [
      '0',
      '-1 day',
      '1 microsecond',
      '36 hours',
      '60 days',
      '2 months',
      '1 year 1 month 3 days 04:05:06.000007',
      '1 month -2 days',
      '9000 years',
      '100000000 days',
    ]) {
      await sql`select set_config('pgfigi.cache_max_age', ${age}, true)`
      await assertRight(sql, age)
    }
  }))

test('are as many as there are at every moment, while others write, undo, delete and fold', () =>
  withDatabase(async ({ sql, url }) => {
    const until = Date.now() + 2_000
    const writer = async (seed: number) => {
      await using session = await openSession(url)
      for (let n = 0; Date.now() < until; n++) {
        const first = (n * 37 + seed * 11) % 150
        const at = n % 3 === 0 ? null : `2026-0${1 + (n % 6)}-0${1 + (seed % 8)} 0${n % 10}:30Z`
        await session.sql`begin`
        await upsert(session.sql, range(first, first + 40), n % 5 === 0 ? null : `T${n % 4}`, at)
        if (n % 7 === seed) {
          await session.sql`
            delete from public.security_mappings
            where id in (select id from public.security_mappings order by id limit 20 for update skip locked)`
        }
        if (n % 2 === 0) await session.sql`select figi_private.fold_mapping_counts()`
        await session.sql.unsafe(n % 6 === 1 ? 'rollback' : 'commit')
      }
    }
    let looks = 0
    const watcher = async () => {
      while (looks < 6 || Date.now() < until) {
        await assertRight(sql, `look ${looks++}`)
        await sql`select figi_private.fold_mapping_counts()`
      }
    }
    await Promise.all([writer(1), writer(2), writer(3), watcher()])
    await assertRight(sql, 'in the end')
    assert.is((await sql`select figi_private.recount_mappings() as hours`)[0]?.hours, '0')
    await sql`select figi_private.fold_mapping_counts()`
    await assertRight(sql, 'folded')
  }))

test('are none after everything is forgotten, while others fold', () =>
  withDatabase(async ({ sql, url }) => {
    await upsert(sql, range(0, 50), 'T', '2026-01-01')
    await upsert(sql, range(0, 50), 'T')
    await using folder = await openSession(url)
    await folder.sql`begin`
    await folder.sql`select figi_private.fold_mapping_counts()`
    await using purger = await openSession(url)
    await purger.sql`set statement_timeout to '30s'`
    await purger.sql`select public.purge_cache()`
    await upsert(sql, range(0, 3), 'T')
    assert.equal((await totals(sql)).told, { found: 3, negatives: 0, stale: 0, ended: 0 })
    await folder.sql`commit`
    assert.equal((await totals(sql)).told, { found: 3, negatives: 0, stale: 0, ended: 0 })
  }))

test('two that fold never wait for each other, nor a writer for them', () =>
  withDatabase(async ({ sql, url }) => {
    await upsert(sql, range(0, 50), 'T', '2026-01-01')
    await upsert(sql, range(0, 20), 'T')
    await using one = await openSession(url)
    await using other = await openSession(url)
    await one.sql`begin`
    await one.sql`select figi_private.fold_mapping_counts()`
    await other.sql`set statement_timeout to '30s'`
    await upsert(other.sql, range(20, 40), 'T')
    await other.sql`select figi_private.fold_mapping_counts()`
    await assertRight(other.sql, 'while the other one folds')
    await one.sql`commit`
    await assertRight(sql, 'after both')
  }))

test('do not pile up as rows where nobody keeps house', () =>
  withRollback(async (sql) => {
    await upsert(sql, range(0, 300), 'T')
    await sql`select setseed(0.5)`
    await sql`
      do $$
      begin
        for n in 1 .. 40 loop
          update public.security_mappings
          set last_fetched_date = timestamptz '2020-01-01' + n * interval '1000 hours' + id * interval '1 hour';
        end loop;
      end
      $$`
    const [row] =
      await sql`select count(*)::int as rows, sum(found)::int as found from figi_private.mapping_counts`
    assert.is(row?.found, 300)
    assert.ok(row?.rows < 23_000, `${row?.rows} rows`)
    await assertRight(sql, 'in the end')
  }))

test('are folded where an hour has more than one row, and nothing is written where none has', () =>
  withRollback(async (sql) => {
    await sql`
      insert into figi_private.mapping_counts (fetched_hour, found, negatives, ended)
      select timestamptz '2020-01-01Z' + n * interval '1 hour', 1, 0, 0 from generate_series(1, 2000) n
      union all values (timestamptz '2020-01-01 05:00Z', 2, 1, 0), ('2020-01-01 06:00Z', -1, 0, 0)`
    const rows = async () =>
      (await sql`select ctid::text, found::int from figi_private.mapping_counts order by ctid`).map(
        (row) => ({ ...row }),
      )
    const before = await rows()
    await sql`select figi_private.fold_mapping_counts()`
    const after = await rows()
    assert.is(after.length, 1999)
    assert.is(
      after.filter(({ ctid }) => before.some((row) => row.ctid === ctid)).length,
      1998,
      'the other hours stay where they are',
    )
    await sql`select figi_private.fold_mapping_counts()`
    assert.equal(await rows(), after)
  }))

test('a truncation needs read committed, as all writers do', () =>
  withDatabase(async ({ sql }) => {
    const failure = await failureOf(
      sql.begin('isolation level repeatable read', (s) => s`truncate public.security_mappings`),
    )
    assert.is(failure?.code, 'PF003')
  }))

test.run()
