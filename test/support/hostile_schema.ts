import type { ISql } from 'postgres'

/**
 * What somebody who may create objects could put in the way of pgfigi's names. `shadowing`: operators, functions, types and
 * tables that are called as those of pg_catalog, for a schema that the search_path names before it. `better`: operators and
 * functions that pg_catalog has for less exact types only, so that they are chosen though their schema comes last.
 */
export type Hostility = 'shadowing' | 'better'

const types = [
  ...[
    'text',
    'bool',
    'int2',
    'int4',
    'int8',
    'float4',
    'float8',
    'numeric',
    'timestamptz',
    'date',
    'interval',
  ],
  ...['jsonb', 'oid', 'regclass', 'name', 'text[]', 'int8[]', 'jsonb[]'],
]

/** Types whose names are no words of the grammar, which would mean pg_catalog's whatever the path. */
const typeNames = [
  'text',
  'jsonb',
  'timestamptz',
  'int8',
  'float8',
  'date',
  'regclass',
  'oid',
  'name',
  'bool',
]

const operators = ['=', '<>', '<', '>', '<=', '>=', '||', '+', '-', '*', '/', '->', '->>', '~']

/**
 * Makes the schema, in a transaction whose search_path is PostgreSQL's own from then on. Everybody may use it; whatever of it is
 * called counts in its sequence `canary`, and raises.
 */
export async function plant(sql: ISql, schema: string, hostility: Hostility): Promise<void> {
  const named = sql(schema)
  await sql`set local search_path to pg_catalog` // another such schema may be planted already
  await sql`create schema if not exists ${named}`
  await sql`create sequence ${sql(`${schema}.canary`)}`
  await sql`grant usage on schema ${named} to public`
  await sql`grant usage, select on sequence ${sql(`${schema}.canary`)} to public`
  await sql`select set_config('hostile.schema', ${schema}, true), set_config('hostile.better', ${String(hostility === 'better')}, true),
    set_config('hostile.types', ${types.join(' ')}, true), set_config('hostile.names', ${typeNames.join(' ')}, true),
    set_config('hostile.operators', ${operators.join(' ')}, true)`
  await sql`
    do $do$
    declare
      v_schema constant text := current_setting('hostile.schema');
      v_better constant boolean := current_setting('hostile.better');
      v_types constant text[] := string_to_array(current_setting('hostile.types'), ' ');
      v_body constant text := format(' language plpgsql as %L', format(
        $$begin perform pg_catalog.nextval(%L::pg_catalog.regclass); raise exception 'hostile code ran'; end$$,
        format('%I.canary', v_schema)
      ));
      v_words constant text[] := array(
        select distinct w.word[1]
        from pg_proc p
        cross join lateral regexp_matches(coalesce(pg_get_function_sqlbody(p.oid), p.prosrc), '([a-z_0-9]+)[(]', 'g') as w (word)
        where p.pronamespace in ('public'::regnamespace, to_regnamespace('figi_private'))
      ) || '{unnest,count,format,cardinality,array_agg,to_jsonb,jsonb_build_object,string_agg,min,max,concat_ws,row_to_json}';
      v_one record;
    begin
      -- Operators, each with a function of its own.
      for v_one in
        select o.name, l.type as left_type, r.type as right_type, coalesce(b.oprresult::regtype::text, 'boolean') as result,
          format('%I.trap_%s', v_schema, row_number() over ()) as trap
        from unnest(string_to_array(current_setting('hostile.operators'), ' ')) as o (name)
        cross join unnest(v_types) as l (type)
        cross join unnest(v_types) as r (type)
        left join pg_operator b
          on b.oprnamespace = 'pg_catalog'::regnamespace and b.oprname = o.name
          and b.oprleft = l.type::regtype and b.oprright = r.type::regtype
        where (b.oid is null) = v_better
          and (not v_better or o.name in ('=', '<', '>=', '||', '+', '-', '*'))
      loop
        execute format('create function %s(%s, %s) returns %s', v_one.trap, v_one.left_type, v_one.right_type, v_one.result) || v_body;
        execute format(
          'create operator %I.%s (leftarg = %s, rightarg = %s, function = %s)',
          v_schema, v_one.name, v_one.left_type, v_one.right_type, v_one.trap
        );
      end loop;

      -- Functions by the names that ours call.
      for v_one in
        select distinct p.proname as name, pg_get_function_identity_arguments(p.oid) as arguments, p.prorettype::regtype::text as result
        from pg_proc p
        where not v_better
          and p.pronamespace = 'pg_catalog'::regnamespace
          and p.proname = any (v_words)
          and p.prokind = 'f'
          and not p.proretset
          and not exists (select from unnest(p.proargtypes::oid[] || p.prorettype) t join pg_type y on y.oid = t where y.typtype = 'p')
          and coalesce(array_length(p.proargmodes, 1), 0) = 0
        union all
        select w.word, a.arguments, 'text'
        from unnest(v_words) as w (word)
        cross join unnest(array['text', 'text[]', 'bigint', 'bigint[]', 'timestamptz', 'jsonb', 'boolean', 'text, text', 'text, bigint']) as a (arguments)
        where exists (
          select from pg_proc p where p.pronamespace = 'pg_catalog'::regnamespace and p.proname = w.word and (p.prokind = 'f' or v_better)
        )
          and not exists (
            select from pg_proc p
            where p.pronamespace = 'pg_catalog'::regnamespace and p.proname = w.word
              and pg_get_function_identity_arguments(p.oid) = replace(a.arguments, 'timestamptz', 'timestamp with time zone')
          )
      loop
        begin
          execute format('create function %I.%I(%s) returns %s', v_schema, v_one.name, v_one.arguments, v_one.result) || v_body;
        exception
          when duplicate_function or syntax_error or wrong_object_type then null;
        end;
      end loop;

      if not v_better then
        for v_one in select n.name from unnest(string_to_array(current_setting('hostile.names'), ' ')) as n (name) loop
          execute format('create function %I.trap_of_type(pg_catalog.%I) returns boolean', v_schema, v_one.name) || v_body;
          execute format(
            'create domain %I.%I as pg_catalog.%I check (%I.trap_of_type(value))', v_schema, v_one.name, v_one.name, v_schema
          );
        end loop;
        for v_one in
          select c.relname as name
          from pg_class c
          where c.relkind in ('r', 'v')
            and (
              c.relnamespace in ('public'::regnamespace, to_regnamespace('figi_private'))
              or (c.relnamespace = 'pg_catalog'::regnamespace and c.relname ~ '^pg_(class|proc|type|database|db_role_setting|stat_|index|constraint)')
            )
        loop
          execute format('create table %I.%I ()', v_schema, v_one.name);
        end loop;
      end if;
    end
    $do$`
}

/** How often something of the schema has been called. Counts what was rolled back, too. */
export async function alarms(sql: ISql, schema: string): Promise<number> {
  const [row] = await sql<[{ count: number }]>`
    select case when is_called then last_value::int else 0 end as count from ${sql(`${schema}.canary`)}`
  return row.count
}
