import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres, { type Sql } from 'postgres'
import { databaseUrl } from '../support/cluster.ts'
import { cloneDatabase, withAdmin } from '../support/template.ts'

/** What is in the database: identifiers with an open row each, half of them CUSIPs, and rows with their history. */
export interface Size {
  readonly identifiers: number
  readonly cusips: number
  readonly rows: number
  readonly tableBytes: number
  readonly indexBytes: number
}

/** Identifiers loaded by one statement, and sessions that load at once. */
const chunk = 250_000
const sessions = 2

/** Makes and fills a database of that many identifiers, unless the cluster has one of this very schema; its name. */
export async function load(
  cluster: string,
  identifiers: number,
  log: (line: string) => void,
): Promise<{ name: string; size: Size }> {
  const clone = await cloneDatabase()
  const clean = postgres(databaseUrl(cluster, clone), { max: 1, onnotice: () => {} })
  const [schema] = await clean<[{ hash: string }]>`
    select left(md5(string_agg(pg_get_functiondef(p.oid), '' order by p.oid)), 8) as hash
    from pg_proc p
    where p.pronamespace in ('public'::regnamespace, 'figi_private'::regnamespace)
      and p.prokind = 'f'`
  await clean.end()
  const generator = await readFile(join(import.meta.dirname, 'load.sql'), 'utf8')
  const name = `bench_${identifiers}_${schema.hash}`
  const isLoaded = await withAdmin(async (sql) => {
    const found = await sql`select 1 from pg_database where datname = ${name}`
    if (found.length > 0) await sql`drop database ${sql(clone)}`
    return found.length > 0
  })
  const sql = postgres(databaseUrl(cluster, isLoaded ? name : clone), {
    max: sessions,
    idle_timeout: 0,
    max_lifetime: null,
    onnotice: () => {},
  })
  try {
    if (!isLoaded) {
      const started = performance.now()
      await sql.unsafe(generator)
      await fill(sql, identifiers, log)
      log(`loaded ${identifiers} identifiers in ${((performance.now() - started) / 1000).toFixed(1)} s`)
    }
    const size = await sizeOf(sql, identifiers)
    await sql.end()
    if (!isLoaded) await withAdmin((admin) => admin`alter database ${admin(clone)} rename to ${admin(name)}`)
    return { name, size }
  } finally {
    await sql.end()
  }
}

/** Without indexes and triggers, which would cost an hour at 10 million; the constraints are checked. */
async function fill(sql: Sql, identifiers: number, log: (line: string) => void): Promise<void> {
  const indexes = await sql<{ name: string; definition: string }[]>`
    select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
    from pg_index
    where indrelid = 'public.security_mappings'::regclass
      and not indisprimary`
  for (const { name } of indexes) await sql`drop index ${sql(name)}`
  await sql`alter table public.security_mappings disable trigger user`
  let next = 0
  const loadChunks = async () => {
    while (next < identifiers) {
      const first = next
      next = Math.min(first + chunk, identifiers)
      await sql`call bench.load_mappings(${first}, ${next - 1})`
      log(`rows of identifiers ${first} to ${Math.min(first + chunk, identifiers)}`)
    }
  }
  await Promise.all(Array.from({ length: sessions }, loadChunks))
  await sql`alter table public.security_mappings enable trigger user`
  for (const { name, definition } of indexes) {
    await sql.unsafe(definition)
    log(`index ${name}`)
  }
  await sql`call bench.load_holdings(${Math.ceil(identifiers / 2)}, ${Math.min(identifiers, 1_000_000)})`
  await sql`vacuum (analyze)`
  await sql`checkpoint`
}

async function sizeOf(sql: Sql, identifiers: number): Promise<Size> {
  const [row] = await sql<[{ rows: number; table: number; indexes: number }]>`
    select
      (select count(*) from public.security_mappings)::float8 as rows,
      pg_table_size('public.security_mappings')::float8 as table,
      pg_indexes_size('public.security_mappings')::float8 as indexes`
  return {
    identifiers,
    cusips: Math.ceil(identifiers / 2),
    rows: row.rows,
    tableBytes: row.table,
    indexBytes: row.indexes,
  }
}
