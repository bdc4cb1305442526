import type { Sql } from 'postgres'

interface PublicFunction {
  readonly name: string
  /** As docs/grants.sql writes it: public.name(type, type). */
  readonly grantee_key: string
  readonly arguments: string
  readonly result: string
  readonly volatility: string
  readonly comment: string
}

interface Relation {
  readonly name: string
  readonly kind: string
  readonly comment: string | null
  readonly columns: readonly {
    readonly name: string
    readonly type: string
    readonly comment: string | null
  }[]
}

/** Who may call what: the roles of docs/grants.sql, in the order of the page. */
const roles: Readonly<Record<string, string>> = {
  pgfigi_analyst: 'For analysts',
  pgfigi_monitor: 'For those who watch',
  pgfigi_worker: 'For workers and programs',
  owner: 'For the owner alone',
}

const introduction = `<!-- Made by \`npm run docs\` from the comments in the database; checked by \`npm run check\`. -->
# SQL

Everything in the schema \`public\` that is for calling and reading. Who may do what is given by [grants.sql](../grants.sql), explained in [rights.md](../operations/rights.md); each section may also do
what stands above it. Errors are in [error_codes.md](../error_codes.md). In \`psql\`: \`\\df+ resolve_mapping\`, \`\\d+ security_mappings\`.
`

/** docs/api/sql.md, of a migrated database. `grants` is the text of docs/grants.sql. */
export async function sqlDocs(sql: Sql, grants: string): Promise<string> {
  const functions = await publicFunctions(sql)
  const sections = Object.entries(roles).flatMap(([role, title]) => {
    const mine = functions.filter((one) => granteeOf(one, grants) === role)
    const byName = Object.entries(Object.groupBy(mine, ({ name }) => name))
    const texts = byName.map(
      ([name, overloads = []]) => `### ${name}\n\n${overloads.map(functionText).join('\n\n')}`,
    )
    return mine.length === 0 ? [] : [`## ${title}\n\n${texts.join('\n\n')}`]
  })
  const relations = await publicRelations(sql)
  const tables = `## Views, the table and types\n\n${relations.map(relationText).join('\n\n')}`
  return `${[introduction.trimEnd(), ...sections, tables].join('\n\n')}\n`
}

function granteeOf({ grantee_key: key }: PublicFunction, grants: string): string {
  const line = grants.split('\n').find((text) => text.startsWith(`grant execute on function ${key} to `))
  return line?.match(/ to (\w+);/)?.[1] ?? 'owner'
}

function functionText(one: PublicFunction): string {
  const call = `${one.name}(${short(one.arguments)}) returns ${short(one.result)}`
  return `\`\`\`sql\n${call}\n\`\`\`\n\n${one.comment} *${capital(one.volatility)}.*`
}

function relationText({ name, kind, comment, columns }: Relation): string {
  const head = [`### ${name} (${kind})`, ...(comment ? [comment] : [])].join('\n\n')
  if (columns.every((column) => column.comment === null)) {
    return `${head}\n\nColumns: ${columns.map((column) => `\`${column.name}\` ${short(column.type)}`).join(', ')}.`
  }
  const rows = columns.map(
    (column) => `| \`${column.name}\` | ${short(column.type)} | ${cell(column.comment)} |`,
  )
  return `${head}\n\n| column | type | |\n|---|---|---|\n${rows.join('\n')}`
}

const cell = (text: string | null) => (text ?? '').replaceAll('|', '\\|')
const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

/** As one would write it, instead of as the catalogue does. */
function short(text: string): string {
  return text
    .replaceAll('timestamp with time zone', 'timestamptz')
    .replace(/ DEFAULT NULL::\w+( \w+)*/g, ' default null')
    .replace(/ DEFAULT ('[^']*')::\w+/g, ' default $1')
    .replaceAll(' DEFAULT ', ' default ')
    .replaceAll('TABLE(', 'table (')
    .replaceAll('SETOF ', 'setof ')
}

async function publicFunctions(sql: Sql): Promise<PublicFunction[]> {
  return sql<PublicFunction[]>`
    select
      p.proname as name,
      format('public.%I(%s)', p.proname, (
        select string_agg(replace(format_type(u.type, null), 'timestamp with time zone', 'timestamptz'), ', ' order by u.ordinality)
        from unnest(p.proargtypes::oid[]) with ordinality as u (type, ordinality)
      )) as grantee_key,
      pg_get_function_arguments(p.oid) as arguments,
      pg_get_function_result(p.oid) as result,
      case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end as volatility,
      coalesce(obj_description(p.oid, 'pg_proc'), '') as comment
    from pg_proc p
    where p.pronamespace = 'public'::regnamespace
      and p.prorettype <> 'trigger'::regtype
      and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
    order by p.proname collate "C", p.pronargs desc, p.oid::regprocedure::text collate "C" desc`
}

async function publicRelations(sql: Sql): Promise<Relation[]> {
  return sql<Relation[]>`
    select
      c.relname as name,
      case c.relkind when 'v' then 'view' when 'c' then 'type' else 'table' end as kind,
      case c.relkind when 'c' then obj_description(c.reltype, 'pg_type') else obj_description(c.oid, 'pg_class') end as comment,
      (
        select json_agg(json_build_object(
          'name', a.attname,
          'type', format_type(a.atttypid, a.atttypmod),
          'comment', col_description(a.attrelid, a.attnum)
        ) order by a.attnum)
        from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      ) as columns
    from pg_class c
    where c.relnamespace = 'public'::regnamespace
      and c.relkind in ('v', 'r', 'p', 'c')
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
    order by position(c.relkind in 'vrpc'), c.relname collate "C"`
}
