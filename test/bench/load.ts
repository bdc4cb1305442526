import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres, { type Sql } from 'postgres'
import { databaseUrl } from '../support/cluster.ts'
import { cloneDatabase, withAdmin } from '../support/template.ts'

/** What is in the database: identifiers with an open row each, half of them CUSIPs, and rows with their history. */
export interface Size {
  readonly identifiers: number
  readonly cusips: number
  /** Identifiers besides, with ten periods each. */
  readonly changed: number
  readonly rows: number
  readonly tableBytes: number
  readonly indexBytes: number
  /** Null where an earlier run has loaded it. */
  readonly loadSeconds: number | null
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
  const generator = await readFile(join(import.meta.dirname, 'load.sql'), 'utf8')
  const clean = postgres(databaseUrl(cluster, clone), { max: 1, onnotice: () => {} })
  const [schema] = await clean<[{ hash: string }]>`
    select left(md5(string_agg(pg_get_functiondef(p.oid), '' order by p.oid) || ${generator}::text), 8) as hash
    from pg_proc p
    where p.pronamespace in ('public'::regnamespace, 'figi_private'::regnamespace)
      and p.prokind = 'f'`
  await clean.end()
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
    let loadSeconds: number | null = null
    const counts = { identifiers, cusips: Math.ceil(identifiers / 2), changed: changedOf(identifiers) }
    if (!isLoaded) {
      const started = performance.now()
      await sql.unsafe(generator)
      await fill(sql, counts, log)
      loadSeconds = Math.round((performance.now() - started) / 100) / 10
      log(`loaded ${identifiers} identifiers in ${loadSeconds.toFixed(1)} s`)
    }
    const size = { ...counts, ...(await sizeOf(sql)), loadSeconds }
    await sql.end()
    if (!isLoaded) await withAdmin((admin) => admin`alter database ${admin(clone)} rename to ${admin(name)}`)
    return { name, size }
  } finally {
    await sql.end()
  }
}

/** A fiftieth, so that they leave a small table small. */
function changedOf(identifiers: number): number {
  return Math.min(20_000, Math.ceil(identifiers / 50))
}

/** Without indexes and triggers, which would cost most of an hour at 10 million; the checks are made. */
async function fill(
  sql: Sql,
  { identifiers, cusips, changed }: Pick<Size, 'identifiers' | 'cusips' | 'changed'>,
  log: (line: string) => void,
): Promise<void> {
  await sql`alter table public.security_mappings disable trigger user`
  const restoreIndexes = await dropIndexes(sql, log)
  let next = 0
  const loadChunks = async () => {
    while (next < identifiers) {
      const first = next
      next = Math.min(first + chunk, identifiers)
      await sql`call bench.load_mappings(${first}, ${next - 1})`
      if (next % 1_000_000 === 0) log(`rows of ${next} identifiers`)
    }
  }
  await Promise.all(Array.from({ length: sessions }, loadChunks))
  await sql`call bench.load_changed(${changed})`
  await restoreIndexes()
  await sql`alter table public.security_mappings enable trigger user`
  await sql`select figi_private.recount_mappings()`
  await sql`call bench.load_holdings(${cusips}, ${changed}, ${Math.min(identifiers, 1_000_000)})`
  await sql`vacuum (freeze, analyze, parallel 0)`
  await sql`checkpoint`
  log('vacuumed')
}

/** What it returns makes them anew, in the same order: at equal cost the planner takes the one that was made last. */
async function dropIndexes(sql: Sql, log: (line: string) => void): Promise<() => Promise<void>> {
  const indexes = await sql<{ name: string; definition: string; constraint: string | null }[]>`
    select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as definition,
      (select pg_get_constraintdef(c.oid) from pg_constraint c where c.conindid = i.indexrelid) as constraint
    from pg_index i
    where i.indrelid = 'public.security_mappings'::regclass
    order by i.indexrelid`
  for (const { name, constraint } of indexes) {
    if (constraint) await sql`alter table public.security_mappings drop constraint ${sql(name)}`
    else await sql`drop index ${sql(name)}`
  }
  return async () => {
    for (const { name, definition, constraint } of indexes) {
      await sql.unsafe(
        constraint ? `alter table public.security_mappings add constraint ${name} ${constraint}` : definition,
      )
      log(`index ${name}`)
    }
  }
}

async function sizeOf(sql: Sql): Promise<Pick<Size, 'rows' | 'tableBytes' | 'indexBytes'>> {
  const [row] = await sql<[{ rows: number; table: number; indexes: number }]>`
    select
      (select count(*) from public.security_mappings)::float8 as rows,
      pg_table_size('public.security_mappings')::float8 as table,
      pg_indexes_size('public.security_mappings')::float8 as indexes`
  return { rows: row.rows, tableBytes: row.table, indexBytes: row.indexes }
}
