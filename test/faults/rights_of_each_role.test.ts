import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { migrateUp } from '../../src/database/migrate.ts'
import { withEmptyDatabase, withRollback } from '../support/database.ts'
import {
  callOf,
  givenFunctions,
  ownersFunctions,
  ownersRelations,
  readable,
  roles,
} from '../support/decisions.ts'
import { figure } from '../support/figure.ts'
import { grantScript } from '../support/login_role.ts'

const test = suite('what each role may do')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

/** Everybody may name the types of what the lookups give. */
const typesForAll = ['figi_private.health_measure', 'resolved_mapping', 'resolved_mapping_element']

/** Refused, or (55000, 42809, 42804) what nobody can do: write to a view, truncate one, call a trigger's function. */
const refusedCodes = ['42501', '55000', '42809', '42804']

const namesOf = async (sql: Sql, query: string): Promise<string[]> =>
  (await sql.unsafe(query)).map((row) => String(row.name)).sort()

test('every function, table, view, sequence and type of pgfigi stands in the table of decisions', async () => {
  await withRollback(async (sql) => {
    const inOurs = `in ('public'::regnamespace, 'figi_private'::regnamespace)`
    assert.equal(
      await namesOf(
        sql,
        `select p.oid::regprocedure::text as name from pg_proc p where p.pronamespace ${inOurs}`,
      ),
      [...givenFunctions.map(({ signature }) => signature), ...ownersFunctions].sort(),
    )
    assert.equal(
      await namesOf(
        sql,
        `select c.oid::regclass::text as name from pg_class c
         where c.relnamespace ${inOurs} and c.relkind not in ('i', 'I', 'c', 't')`,
      ),
      [...readable, ...ownersRelations].sort(),
    )
    assert.equal(
      await namesOf(
        sql,
        `select t.oid::regtype::text as name from pg_type t left join pg_class c on c.oid = t.typrelid
         where t.typnamespace ${inOurs} and t.typelem = 0 and coalesce(c.relkind, 'c') = 'c'`,
      ),
      typesForAll,
    )
    assert.equal(
      await namesOf(
        sql,
        `select e.extname as name from pg_extension e union all select evtname from pg_event_trigger`,
      ),
      ['plpgsql'],
    )
  })
})

test('each role is let in and kept out, by calls of every function and statements on every table, as decided', async () => {
  await withRollback(async (sql) => {
    await sql.unsafe(grantScript)
    await sql`create role pgfigi_test_stranger`
    await sql`select public.upsert_mapping('CUSIP', '037833100', 'AAPL', '2020-01-01')`
    const calls = [
      ...givenFunctions.map(({ signature, call }) => ({
        object: signature,
        statement: callOf(signature, call),
      })),
      ...(
        await sql<{ object: string; nulls: string }[]>`
        select p.oid::regprocedure::text as object,
          (select coalesce(string_agg(
              -- PostgreSQL takes a call as null, unasked, where a strict function is given a null.
              case t when 'timestamptz'::regtype then 'now()' else format('null::%s', t::regtype) end, ', ' order by n
            ), '')
           from unnest(p.proargtypes::oid[]) with ordinality as a (t, n)) as nulls
        from pg_proc p
        where p.oid::regprocedure::text = any (${ownersFunctions as string[]})`
      ).map(({ object, nulls }) => ({ object, statement: callOf(object, nulls) })),
    ]
    const statements = [...readable, ...ownersRelations].flatMap((object) => [
      { object: `select ${object}`, statement: `select * from ${object} limit 1` },
      ...(object.endsWith('_seq') || object.includes('queue_full')
        ? [`select nextval('${object}')`, `select setval('${object}', 1)`]
        : [
            `insert into ${object} default values`,
            `delete from ${object}`,
            `truncate ${object}`,
            `lock table ${object} in share mode`,
          ]
      ).map((statement) => ({ object: `change ${object}`, statement })),
    ])
    const schemas = ['public', 'figi_private', 'graphile_worker', 'graphile_migrate'].map((schema) => ({
      object: `create in ${schema}`,
      statement: `create table ${schema}.theirs (n int)`,
    }))

    for (const role of [...roles, 'stranger'] as const) {
      const rank = roles.indexOf(role as (typeof roles)[number])
      const given = givenFunctions
        .filter((one) => roles.indexOf(one.role) <= rank)
        .map((one) => one.signature)
      const may = new Set(rank < 0 ? [] : [...given, ...readable.map((name) => `select ${name}`)])
      const asked = [...calls, ...statements, ...schemas]
      const codes = await outcomes(
        sql,
        role === 'stranger' ? 'pgfigi_test_stranger' : `pgfigi_${role}`,
        asked,
      )
      const wrong = asked.flatMap(({ object, statement }, n) => {
        const code = codes[n] ?? 'none'
        const isRight = may.has(object) ? code === '00000' : refusedCodes.includes(code)
        return isRight ? [] : [`${role}, ${statement}: ${code}`]
      })
      assert.equal(wrong, [])
      if (role === 'stranger') figure(`${asked.length} statements as each of 4 roles`)
    }
  })
})

test('no right with grant option, on a column or by anybody but the owner, who owns everything', async () => {
  await withRollback(async (sql) => {
    await sql.unsafe(grantScript)
    await sql.unsafe(grantScript)
    const found = await sql`
      with ours as (
        select p.oid::regprocedure::text as name, p.proowner as owner, coalesce(p.proacl, acldefault('f', p.proowner)) as acl
        from pg_proc p where p.pronamespace in ('public'::regnamespace, 'figi_private'::regnamespace)
        union all
        select c.oid::regclass::text, c.relowner,
          coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's'::"char" else 'r' end, c.relowner))
        from pg_class c
        where c.relnamespace in ('public'::regnamespace, 'figi_private'::regnamespace) and c.relkind in ('r', 'v', 'm', 'p', 'f', 'S')
        union all
        select 'figi_private', n.nspowner, n.nspacl from pg_namespace n where n.nspname = 'figi_private'
        union all
        select c.oid::regclass || '.' || a.attname, c.relowner, a.attacl
        from pg_class c
        join pg_attribute a on a.attrelid = c.oid
        where c.relnamespace in ('public'::regnamespace, 'figi_private'::regnamespace) and a.attacl is not null
      )
      select o.name, r.grantee::regrole::text as grantee, r.privilege_type
      from ours o
      cross join lateral aclexplode(o.acl) r
      where o.owner <> current_user::regrole
        or r.grantor <> o.owner
        or (r.grantee <> o.owner and (
          r.is_grantable or r.grantee not in ('pgfigi_analyst'::regrole, 'pgfigi_monitor'::regrole, 'pgfigi_worker'::regrole)
        ))`
    assert.equal([...found], [])
  })
})

test('what default privileges gave to everybody, the grant script takes back', async () => {
  await withEmptyDatabase(async ({ sql, url }) => {
    for (const objects of ['tables', 'sequences', 'functions', 'schemas']) {
      await sql.unsafe(`alter default privileges grant all on ${objects} to public`)
    }
    await migrateUp(url)
    await sql.unsafe(grantScript)
    const found = await sql`
      select p.oid::regprocedure::text as name
      from pg_proc p
      where p.pronamespace in ('public'::regnamespace, 'figi_private'::regnamespace) and has_function_privilege('public', p.oid, 'execute')
      union all
      select c.oid::regclass::text
      from pg_class c
      where c.relnamespace in ('public'::regnamespace, 'figi_private'::regnamespace)
        and case
          when c.relkind = 'S' then has_sequence_privilege('public', c.oid, 'usage, select, update')
          when c.relkind in ('r', 'v') then has_table_privilege('public', c.oid, 'select, insert, update, delete, truncate, references, trigger')
        end
      union all
      select 'figi_private' where has_schema_privilege('public', 'figi_private', 'usage, create')`
    assert.equal([...found], [])
  })
})

/** The SQLSTATE of each statement as that role, 00000 where it runs. Nothing of them stays. */
async function outcomes(sql: Sql, role: string, asked: readonly { statement: string }[]): Promise<string[]> {
  await sql`select set_config('t.statements', ${JSON.stringify(asked.map(({ statement }) => statement))}, true)`
  await sql.unsafe(`set local role ${role}`)
  await sql`
    do $$
    declare
      v_statement text;
      v_codes text[] := '{}';
    begin
      for v_statement in select s.statement from jsonb_array_elements_text(current_setting('t.statements')::jsonb) as s (statement) loop
        begin
          execute v_statement;
          raise exception using errcode = '00XXX';
        exception
          when others then v_codes := v_codes || case sqlstate when '00XXX' then '00000' else sqlstate end;
        end;
      end loop;
      perform set_config('t.codes', array_to_json(v_codes)::text, true);
    end
    $$`
  await sql`reset role`
  const [row] = await sql<[{ codes: string }]>`select current_setting('t.codes') as codes`
  return JSON.parse(row.codes)
}

test.run()
