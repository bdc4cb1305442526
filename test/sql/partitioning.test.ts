import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ISql, Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { packageRoot } from '../support/cluster.ts'
import { withDatabase, withRollback } from '../support/database.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { grantScript } from '../support/login_role.ts'
import { failureOf, observe, periodsOf, requestsFor, resolve } from '../support/mappings.ts'
import { knownSecurities } from '../support/openfigi_simulator.ts'

const test = suite('docs/partitioning.sql')

const { apple } = knownSecurities

async function partition(sql: Sql, partitions: number): Promise<void> {
  const script = await readFile(join(packageRoot, 'docs', 'partitioning.sql'), 'utf8')
  await sql.begin((transaction) =>
    transaction.unsafe(script.replaceAll(":'partitions'", `'${partitions}'`)).simple(),
  )
}

/** Every routine, view and column of ours, with its body (but for the names that Postgres adds by itself), comment and rights. */
async function catalogue(sql: Sql): Promise<string[]> {
  const rows = await sql<{ line: string }[]>`
    select concat_ws(
      ' ', p.oid::regprocedure, md5(regexp_replace(pg_get_functiondef(p.oid), ' AS [a-z0-9_]+', '', 'g')), md5(obj_description(p.oid, 'pg_proc')),
      array(select a::text from unnest(p.proacl) a where a::text !~ '^=' order by 1)
    ) as line
    from pg_proc p
    where p.pronamespace in ('public'::regnamespace, 'figi_private'::regnamespace)
    union all
    select concat_ws(
      ' ', c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, col_description(c.oid, a.attnum),
      obj_description(c.oid, 'pg_class'),
      array(select acl::text from unnest(c.relacl) acl order by 1)
    )
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
    where c.relnamespace in ('public'::regnamespace, 'figi_private'::regnamespace)
      and c.relkind in ('r', 'p', 'v')
      and not c.relispartition
    order by 1`
  return rows.map(({ line }) => line)
}

test('changes nothing but where the rows are: laws, lookups, writers, imports and rights stay', () =>
  withDatabase(async ({ sql }) => {
    await sql.unsafe(grantScript).simple()
    await observe(sql, 'CUSIP', makeCusip(1), 'OLD', '2020-01-01')
    await observe(sql, 'CUSIP', makeCusip(1), 'NEW')
    await observe(sql, 'CUSIP', apple.key, 'AAPL')
    const before = await catalogue(sql)
    await sql`alter default privileges grant select on tables to public`
    await sql`alter default privileges grant select on sequences to public`
    await partition(sql, 4)
    const after = await catalogue(sql)
    assert.is(after.length, before.length)
    const everybodys = await sql<{ name: string }[]>`
      select c.oid::regclass as name
      from pg_catalog.pg_class c
      cross join lateral pg_catalog.aclexplode(c.relacl) a
      where c.relname ~ '^security_mappings' and a.grantee = 0`
    assert.equal(
      everybodys.map(({ name }) => name),
      [],
    )
    assert.equal(
      after.filter((line) => !before.includes(line)),
      [],
    )

    assert.is((await resolve(sql, 'CUSIP', makeCusip(1))).ticker, 'NEW')
    assert.is((await resolve(sql, 'CUSIP', makeCusip(1), { asOf: '2021-01-01' })).ticker, 'OLD')
    assert.is((await resolve(sql, 'ISIN', apple.isin)).resolved_via, 'CUSIP')
    assert.is((await resolve(sql, 'CUSIP', makeCusip(2))).fetch_requested, true)
    assert.is(await requestsFor(sql, 'CUSIP', makeCusip(2)), 1)

    await sql`
      select from public.upsert_mappings(
        array_fill('CUSIP'::text, array[3000]), ${Array.from({ length: 3000 }, (_, n) => makeCusip(n + 10))},
        ${Array.from({ length: 3000 }, (_, n) => `T${n}`)}
      )`
    await observe(sql, 'CUSIP', makeCusip(10), 'RENAMED')
    assert.equal(
      (await periodsOf(sql, 'CUSIP', makeCusip(10))).map(({ ticker }) => ticker),
      ['T0', 'RENAMED'],
    )
    const [set] = await sql`
      select count(*)::int as hits
      from public.resolve_mappings('CUSIP', ${Array.from({ length: 3000 }, (_, n) => makeCusip(n + 10))})
      where status = 'hit'`
    assert.is(set?.hits, 3000)
    await sql`
      select from figi_private.record_sightings(
        '{CUSIP}', ${[makeCusip(11)]}, '{EARLIER}', '{2019-01-01}', '{2019-01-02}', '{null}', '{null}', 'sec_ftd'
      )`
    assert.is((await resolve(sql, 'CUSIP', makeCusip(11), { asOf: '2019-01-01 12:00Z' })).ticker, 'EARLIER')
    const changes = await sql`
      select kind from public.mapping_changes(now() - interval '1 day') where identifier_value = ${makeCusip(10)}`
    assert.equal(
      changes.map(({ kind }) => kind),
      ['first_seen', 'renamed'],
    )

    const second = await failureOf(sql`
      insert into public.security_mappings (identifier_type, identifier_value, ticker, start_date, last_fetched_date)
      values ('CUSIP', ${makeCusip(1)}, 'X', now(), now())`)
    assert.is(second?.code, '23505')
    const overlap = await failureOf(sql`
      insert into public.security_mappings (identifier_type, identifier_value, ticker, start_date, end_date, last_fetched_date)
      values ('CUSIP', ${makeCusip(1)}, 'X', '2020-02-01', '2020-03-01', now())`)
    assert.is(overlap?.code, '23P01')

    const plan = await sql`
      explain select ticker from public.resolve_mapping('CUSIP', ${sql.unsafe(`'${makeCusip(1)}'`)})`
    const scanned = plan.filter((row) => /on security_mappings_\d/.test(String(row['QUERY PLAN'])))
    assert.is(scanned.length, 1, 'one partition is read')

    await sql`update public.security_mappings set identifier_value = ${makeCusip(9000)} where identifier_value = ${makeCusip(12)}`
    await sql`delete from public.security_mappings where identifier_value = ${makeCusip(13)}`
    assert.is((await sql`select figi_private.recount_mappings() as hours`)[0]?.hours, '0', 'they are counted')

    const rows = await sql<{ row: object }[]>`select to_jsonb(m) as row from public.security_mappings m`
    await sql`select public.purge_cache()`
    const [restored] = await sql`
      select count(*) filter (where outcome = 'imported')::int as imported
      from figi_private.restore_rows('security_mappings', ${JSON.stringify(rows.map(({ row }) => row))}::text::jsonb)`
    assert.is(restored?.imported, rows.length)
    await observe(sql, 'CUSIP', makeCusip(5000), 'LAST')
    const [ids] =
      await sql`select count(*) = count(distinct id) as are_distinct from public.security_mappings`
    assert.is(ids?.are_distinct, true)
    await sql`select public.clear_cache()`
    assert.is((await resolve(sql, 'CUSIP', makeCusip(1))).status, 'miss')
    assert.is((await sql`select figi_private.recount_mappings() as hours`)[0]?.hours, '0')
  }))

const owners = async (sql: ISql): Promise<string[]> => {
  const rows = await sql<{ line: string }[]>`
    select 'routine ' || p.oid::regprocedure || ' ' || p.proowner::regrole || ' ' ||
      array(select a::text from unnest(p.proacl) a order by 1)::text as line
    from pg_proc p where p.pronamespace in ('public'::regnamespace, 'figi_private'::regnamespace)
    union all
    select case c.relkind when 'v' then 'view ' when 'S' then 'sequence ' else 'table ' end || c.oid::regclass || ' ' || c.relowner::regrole
    from pg_class c
    where c.relnamespace in ('public'::regnamespace, 'figi_private'::regnamespace) and c.relkind in ('r', 'p', 'v', 'S')
    order by 1`
  return rows.map(({ line }) => line)
}

test('run by a superuser, leaves everything to its owner, who can go on', () =>
  withRollback(async (sql) => {
    await sql`create role keeper_of_mappings`
    await sql`
      do $$
      declare
        v_line text;
      begin
        for v_line in
          select format('alter routine %s owner to keeper_of_mappings', p.oid::regprocedure)
          from pg_proc p where p.pronamespace in ('public'::regnamespace, 'figi_private'::regnamespace)
          union all
          select format('alter table %s owner to keeper_of_mappings', c.oid::regclass)
          from pg_class c
          where c.relnamespace in ('public'::regnamespace, 'figi_private'::regnamespace) and c.relkind in ('r', 'p', 'v')
          union all
          select format('alter schema %I owner to keeper_of_mappings', n.nspname)
          from pg_namespace n where n.nspname in ('public', 'figi_private')
        loop
          execute v_line;
        end loop;
      end
      $$`
    await observe(sql, 'CUSIP', makeCusip(1), 'OLD', '2020-01-01')
    const before = await owners(sql)
    const script = await readFile(join(packageRoot, 'docs', 'partitioning.sql'), 'utf8')
    await sql.unsafe(script.replaceAll(":'partitions'", `'2'`)).simple()
    const partitions = (line: string) => /^table security_mappings_\d /.test(line)
    const after = await owners(sql)
    assert.equal(
      after.filter((line) => !partitions(line)),
      before,
    )
    assert.equal(
      after.filter(partitions),
      ['0', '1'].map((n) => `table security_mappings_${n} keeper_of_mappings`),
    )
    await sql`set local role keeper_of_mappings`
    await observe(sql, 'CUSIP', makeCusip(1), 'NEW')
    assert.ok((await sql`select from figi_private.page_changes(10)`).length > 0)
    await sql`alter table public.security_mappings add column of_a_later_migration integer`
    await sql`reset role`
  }))

test('stops at what is not of pgfigi, and names it', () =>
  withDatabase(async ({ sql }) => {
    await sql`create view public.our_tickers as select ticker from public.current_mappings`
    const failure = await failureOf(partition(sql, 4))
    assert.match(failure?.message ?? '', /not pgfigi's depends on it: public.our_tickers/)
  }))

test.run()
