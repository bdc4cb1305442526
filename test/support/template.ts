import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run as runSql } from 'graphile-migrate'
import postgres, { type Sql } from 'postgres'
import { migrateUp } from '../../src/database/migrate.ts'
import { migrationsFolder } from '../../src/database/migrations_folder.ts'
import { processExists } from '../../src/processes.ts'
import { atEnd, clusterUrl, databaseUrl } from './cluster.ts'

const LOCK = 0x74656d70 // 'temp'

let template: Promise<string> | undefined
let clones = 0

/** Clones a migrated database; the caller drops it. The name carries our pid, so that the next run drops what a crash leaves. */
export async function cloneDatabase(): Promise<string> {
  template ??= findTemplate()
  const name = `pgfigi_clone_${process.pid}_${++clones}`
  const source = await template
  await withAdmin((sql) => sql`create database ${sql(name)} template ${sql(source)}`)
  return name
}

export async function emptyDatabase(): Promise<string> {
  const name = `pgfigi_clone_${process.pid}_${++clones}`
  await withAdmin((sql) => sql`create database ${sql(name)} template template0`)
  return name
}

export async function dropDatabase(name: string): Promise<void> {
  await withAdmin((sql) => sql`drop database if exists ${sql(name)} with (force)`)
}

/** A session in the database `postgres`, for what one does to databases. */
export async function withAdmin<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = postgres(await clusterUrl(), { max: 1, onnotice: () => {} })
  try {
    return await work(sql)
  } finally {
    await sql.end({ timeout: 5 })
  }
}

/** The template is named by what it was made of, made once a cluster, and by one process while the others wait. */
async function findTemplate(): Promise<string> {
  const folder = migrationsFolder()
  const name = `pgfigi_template_${await contentHash(folder)}`
  await withAdmin(async (sql) => {
    await sql`select pg_advisory_lock(${LOCK})`
    const found = await sql`select 1 from pg_database where datname = ${name}`
    if (found.length > 0) return
    await dropLeftovers(sql)
    const unfinished = `pgfigi_unfinished_${process.pid}`
    await sql`create database ${sql(unfinished)} template template0`
    try {
      await migrateToNow(databaseUrl(await clusterUrl(), unfinished), folder)
      await sql`alter database ${sql(unfinished)} rename to ${sql(name)}`
    } catch (error) {
      await sql`drop database ${sql(unfinished)} with (force)`
      throw error
    }
  })
  return name
}

/** The committed migrations, then the current one as it is now: tests always see the living source. */
export async function migrateToNow(url: string, folder: string = migrationsFolder()): Promise<void> {
  await migrateUp(url, { folder })
  const file = join(folder, 'current.sql')
  const current = await readFile(file, 'utf8').catch(() => '')
  if (!/^\s*(?!--(?!!))\S/m.test(current)) return
  const settings = {
    connectionString: url,
    rootConnectionString: 'postgres:///template1',
    migrationsFolder: folder,
  }
  await runSql(settings, current, file).catch((cause) => {
    throw new Error(cause._gmMessageOverride ?? `${file}: ${cause.message}`, { cause }) // with file, line and place
  })
}

/** Old templates, and clones whose process died: a cluster that runs by hand share would fill the disk with them. */
async function dropLeftovers(sql: Sql): Promise<void> {
  const rows = await sql<{ name: string }[]>`
    select datname as name
    from pg_database
    where datname ~ '^pgfigi_(template|clone|unfinished)_'`
  for (const { name } of rows) {
    const pid = name.match(/^pgfigi_(?:clone|unfinished)_(\d+)/)?.[1]
    if (pid && processExists(Number(pid))) continue
    await sql`drop database if exists ${sql(name)} with (force)`
  }
}

async function contentHash(folder: string): Promise<string> {
  const hash = createHash('sha256')
  const names = await readdir(folder, { recursive: true })
  for (const name of names
    .filter((one) => /^(current\.sql|(committed|fixtures)\b.*\.sql)$/.test(one))
    .sort()) {
    hash.update(`${name}\0${await readFile(join(folder, name), 'utf8')}\0`)
  }
  return hash.digest('hex').slice(0, 16)
}

let shared: Promise<string> | undefined

/** A clone for everything in this process that rolls back: of its own, so that other files' open transactions block nothing. */
export function processDatabase(): Promise<string> {
  shared ??= cloneDatabase().then((name) => {
    atEnd(() => dropDatabase(name))
    return name
  })
  return shared
}
