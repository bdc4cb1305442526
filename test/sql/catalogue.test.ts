import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { packageRoot } from '../support/cluster.ts'
import { withRollback } from '../support/database.ts'
import { definersDecided } from '../support/decisions.ts'

const test = suite('the catalogue')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

const ours = `('public'::regnamespace, 'figi_private'::regnamespace)`

/** Columns that say it all by their names. */
const plainColumns = ['id', 'identifier_type', 'identifier_value', 'requested_at', 'last_error']

const list = async (sql: Sql, query: string): Promise<string[]> =>
  (await sql.unsafe(query)).map((row) => String(row.name))

test('every schema, function, table, view and type has a comment of at least a sentence', async () => {
  await withRollback(async (sql) => {
    assert.equal(
      await list(
        sql,
        `select 'schema ' || n.nspname as name
         from pg_namespace n
         where n.nspname = 'figi_private' and coalesce(obj_description(n.oid, 'pg_namespace'), '') !~ '^\\S.{15,}\\.$'
         union all
         select 'function ' || p.oid::regprocedure
         from pg_proc p
         where p.pronamespace in ${ours} and coalesce(obj_description(p.oid, 'pg_proc'), '') !~ '^\\S.{15,}\\.$'
         union all
         select 'relation ' || c.oid::regclass
         from pg_class c
         where c.relnamespace in ${ours} and c.relkind in ('r', 'v', 'm', 'p', 'f')
           and coalesce(obj_description(c.oid, 'pg_class'), '') !~ '^\\S.{15,}\\.$'
         union all
         select 'type ' || t.oid::regtype
         from pg_type t
         join pg_class c on c.oid = t.typrelid
         where t.typnamespace in ${ours} and c.relkind = 'c'
           and coalesce(obj_description(t.oid, 'pg_type'), '') !~ '^\\S.{15,}\\.$'
         order by 1`,
      ),
      [],
    )
  })
})

test('every column of a table has a comment, but for those whose name says it all', async () => {
  await withRollback(async (sql) => {
    assert.equal(
      await list(
        sql,
        `select c.oid::regclass || '.' || a.attname as name
         from pg_class c
         join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
         where c.relnamespace in ${ours}
           and c.relkind = 'r'
           and col_description(c.oid, a.attnum) is null
           and (c.relnamespace = 'public'::regnamespace or a.attname not in ('${plainColumns.join(`', '`)}'))
         order by 1`,
      ),
      [],
    )
  })
})

test('every function has a file of its own that states its volatility', async () => {
  const folder = join(packageRoot, 'migrations', 'fixtures', 'functions')
  const sources = new Map<string, string>()
  for (const file of await readdir(folder)) sources.set(file, await readFile(join(folder, file), 'utf8'))
  const silent = [...sources].filter(([, source]) => !/^\s*(immutable|stable|volatile)$/m.test(source))
  assert.equal(
    silent.map(([file]) => file),
    [],
  )
  await withRollback(async (sql) => {
    const names = await list(
      sql,
      `select distinct n.nspname || '.' || p.proname as name
       from pg_proc p join pg_namespace n on n.oid = p.pronamespace
       where n.nspname in ('public', 'figi_private') order by 1`,
    )
    assert.ok(names.length > 40)
    const defined = [...sources.values()].flatMap(
      (source) => source.match(/^create or replace function ([\w.]+)\(/m)?.[1] ?? [],
    )
    assert.equal(names, [...new Set(defined)].sort())
  })
})

test('no security definer that is not decided upon, and none, nor a trigger function, without a pinned search_path', async () => {
  await withRollback(async (sql) => {
    assert.equal(
      await list(
        sql,
        `select p.oid::regprocedure as name
         from pg_proc p
         where p.pronamespace in ${ours}
           and (p.prosecdef or p.prorettype = 'trigger'::regtype)
           and not exists (select from unnest(p.proconfig) s where s = 'search_path=pg_catalog, pg_temp')`,
      ),
      [],
    )
    const definers = await list(
      sql,
      `select p.oid::regprocedure as name from pg_proc p where p.pronamespace in ${ours} and p.prosecdef`,
    )
    assert.equal(definers.sort(), [...definersDecided].sort())
  })
})

test('what plpgsql calls by a bare name is in pg_catalog, or the search_path is pinned around it', async () => {
  await withRollback(async (sql) => {
    await sql`set local search_path to ''`
    for (const call of [
      `public.resolve_mapping('CUSIP', '594918104')`,
      `public.resolve_mappings('CUSIP', '{594918104,x}')`,
      `public.upsert_mapping('CUSIP', '037833100', 'A')`,
      `public.mapping_history('CUSIP', '037833100')`,
      `public.mappings_as_of('2020-01-01')`,
      `public.mappings_as_of(date '2020-01-01')`,
      `public.resolve_mapping('CUSIP', '594918104', date '2020-01-01')`,
      `public.resolve_mappings('CUSIP', '{594918104,x}', date '2020-01-01')`,
      `public.mapping_changes('2020-01-01')`,
      `public.stale_mappings('0')`,
      `public.refresh_stale('0')`,
      `public.warm_mappings('CUSIP', '{594918104,x}')`,
      `figi_private.queue_size()`,
      `public.cache_stats()`,
      `figi_private.gauges()`,
      `figi_private.counter_totals()`,
      `figi_private.counts_since('2020-01-01', '1 hour')`,
      `figi_private.sizes_since('2020-01-01', '1 hour')`,
      `figi_private.record_counts('{"process": "p", "kind": "worker", "host": "h", "pid": 1, "version": "1"}', 1, '[{"counter": "lookups", "labels": {"type": "CUSIP"}, "count": 1}]')`,
      `figi_private.recount_mappings()`,
      `figi_private.fold_mapping_counts()`,
      `figi_private.process_ended('p')`,
      `figi_private.claim_requests('me', 10, 10, '1 minute')`,
      `figi_private.next_claim_in()`,
      `figi_private.record_sightings('{CUSIP,CUSIP}', '{037833100,037833100}', '{A,B}', '{2019-01-01,2019-02-01}', '{null,null}', '{null,null}', '{null,null}', 'import')`,
      `figi_private.restore_rows('security_mappings', (select jsonb_agg(m) from public.security_mappings m))`,
      `figi_private.restore_rows('sightings', (select jsonb_agg(s) from figi_private.sightings s))`,
      `public.health_checks(true, '000001')`,
      `figi_private.page_requests('waiting', 10)`,
      `figi_private.page_negatives(10)`,
      `figi_private.page_bearers('A', 10)`,
      `figi_private.page_changes(10)`,
      `figi_private.act_fetch('me', '::1', 'CUSIP', '037833100')`,
      `figi_private.act_retry_all('me', '::1')`,
      `figi_private.act_unlock('me', '::1')`,
      `public.clear_cache()`,
      `public.purge_cache()`,
    ]) {
      await sql.unsafe(`select * from ${call}`)
    }
  })
})

test('nothing of ours depends on the objects of the worker', async () => {
  await withRollback(async (sql) => {
    assert.equal(
      await list(
        sql,
        `with owned as (
           select 'pg_proc'::regclass as classid, oid from pg_proc where pronamespace in ${ours}
           union all select 'pg_class'::regclass, oid from pg_class where relnamespace in ${ours}
           union all select 'pg_type'::regclass, oid from pg_type where typnamespace in ${ours}
           union all select 'pg_rewrite'::regclass, r.oid from pg_rewrite r join pg_class c on c.oid = r.ev_class where c.relnamespace in ${ours}
           union all select 'pg_constraint'::regclass, oid from pg_constraint where connamespace in ${ours}
           union all select 'pg_trigger'::regclass, t.oid from pg_trigger t join pg_class c on c.oid = t.tgrelid where c.relnamespace in ${ours}
           union all select 'pg_attrdef'::regclass, d.oid from pg_attrdef d join pg_class c on c.oid = d.adrelid where c.relnamespace in ${ours}
         ),
         workers as (
           select 'pg_namespace'::regclass as classid, oid from pg_namespace where nspname = 'graphile_worker'
           union all select 'pg_proc'::regclass, oid from pg_proc where pronamespace = 'graphile_worker'::regnamespace
           union all select 'pg_class'::regclass, oid from pg_class where relnamespace = 'graphile_worker'::regnamespace
           union all select 'pg_type'::regclass, oid from pg_type where typnamespace = 'graphile_worker'::regnamespace
         )
         select pg_describe_object(d.classid, d.objid, d.objsubid) || ' on ' || pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid) as name
         from pg_depend d
         join owned on owned.classid = d.classid and owned.oid = d.objid
         join workers on workers.classid = d.refclassid and workers.oid = d.refobjid`,
      ),
      [],
    )
    await sql`drop schema graphile_worker cascade`
    assert.ok((await list(sql, `select oid as name from pg_proc where pronamespace in ${ours}`)).length > 40)
  })
})

test('everybody who was granted nothing can execute and read nothing', async () => {
  await withRollback(async (sql) => {
    assert.equal(
      await list(
        sql,
        `select 'execute ' || p.oid::regprocedure as name
         from pg_proc p
         where p.pronamespace in ${ours} and has_function_privilege('public', p.oid, 'execute')
         union all
         select 'relation ' || c.oid::regclass
         from pg_class c
         where c.relnamespace in ${ours}
           and c.relkind in ('r', 'v', 'm')
           and (
             has_table_privilege('public', c.oid, 'select, insert, update, delete, truncate, references, trigger')
             or has_any_column_privilege('public', c.oid, 'select, insert, update, references')
           )
         union all
         select 'sequence ' || c.oid::regclass
         from pg_class c
         where c.relnamespace in ${ours}
           and case c.relkind when 'S' then has_sequence_privilege('public', c.oid, 'usage, select, update') end
         union all
         select 'schema figi_private'
         where has_schema_privilege('public', 'figi_private', 'usage, create')`,
      ),
      [],
    )
  })
})

test('every identifier column sorts by bytes, so that indexes and comparisons agree everywhere', async () => {
  await withRollback(async (sql) => {
    assert.equal(
      await list(
        sql,
        `select c.oid::regclass || '.' || a.attname as name
         from pg_class c
         join pg_attribute a on a.attrelid = c.oid
         where c.relnamespace in ${ours}
           and c.relkind in ('r', 'v')
           and a.attname in ('identifier_type', 'identifier_value', 'budget')
           and a.attcollation <> '"C"'::regcollation`,
      ),
      [],
    )
  })
})

test('plpgsql_check finds nothing', async () => {
  await withRollback(async (sql) => {
    const available = await sql`select from pg_available_extensions where name = 'plpgsql_check'`
    if (available.length === 0) {
      console.log('SKIPPED: plpgsql_check (the server has no such extension)')
      return
    }
    await sql`create schema checking`
    await sql`create extension plpgsql_check schema checking`
    assert.equal(
      await list(
        sql,
        `select p.oid::regprocedure || ', line ' || f.lineno || ': ' || f.message as name
         from pg_proc p
         join pg_language l on l.oid = p.prolang and l.lanname = 'plpgsql'
         left join pg_trigger t on t.tgfoid = p.oid and not t.tgisinternal
         cross join lateral checking.plpgsql_check_function_tb(
           p.oid, coalesce(t.tgrelid, 0), security_warnings => true, oldtable => t.tgoldtable, newtable => t.tgnewtable
         ) f
         where p.pronamespace in ${ours}`,
      ),
      [],
    )
  })
})

test.run()
