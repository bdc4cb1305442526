/**
 * graphile-migrate for development, on the database of DATABASE_URL (SHADOW_DATABASE_URL and ROOT_DATABASE_URL beside it),
 * else on the embedded one.
 *
 *   npm run db:watch                      applies migrations/current.sql at every save
 *   npm run db:commit -- --message "..."  makes it a committed migration; tried on a shadow database, which it resets
 *   node scripts/db.ts uncommit           makes the last committed migration the current one again
 *   npm run db:reset -- --erase           drops the database and makes it anew
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { Logger, runMigrations } from 'graphile-worker'
import postgres from 'postgres'
import { parseConfig, readEnvironment } from '../src/config.ts'
import { acquireEmbedded } from '../src/database/embedded.ts'

const commands = ['watch', 'commit', 'uncommit', 'reset', 'status', 'worker-schema']

interface Databases extends AsyncDisposable {
  readonly DATABASE_URL: string
  readonly SHADOW_DATABASE_URL: string
  /** A database to be in while another one is dropped. */
  readonly ROOT_DATABASE_URL: string
}

async function openDatabases(): Promise<Databases> {
  const config = parseConfig(readEnvironment())
  if (config.databaseUrl !== undefined) return besides(config.databaseUrl, async () => {})
  const embedded = await acquireEmbedded({ home: config.home })
  return besides(embedded.url, embedded.release)
}

/** The shadow database of `pgfigi` is `pgfigi_shadow`, unless the environment names another. */
function besides(url: string, release: () => Promise<void>): Databases {
  const beside = (change: (name: string) => string) => {
    const other = new URL(url)
    other.pathname = `/${change(other.pathname.slice(1))}`
    return other.href
  }
  return {
    DATABASE_URL: url,
    SHADOW_DATABASE_URL: process.env.SHADOW_DATABASE_URL || beside((name) => `${name}_shadow`),
    ROOT_DATABASE_URL: process.env.ROOT_DATABASE_URL || beside(() => 'postgres'),
    [Symbol.asyncDispose]: release,
  }
}

/** Makes the two databases where they are missing, with the worker's schema, as `pgfigi migrate` would. */
async function prepare(databases: Databases): Promise<void> {
  const root = postgres(databases.ROOT_DATABASE_URL, { max: 1, onnotice: () => {} })
  try {
    for (const url of [databases.DATABASE_URL, databases.SHADOW_DATABASE_URL]) {
      const name = decodeURIComponent(new URL(url).pathname.slice(1))
      const found = await root`select 1 from pg_database where datname = ${name}`
      if (found.length === 0) await root`create database ${root(name)}`
      await installWorkerSchema(url)
    }
  } finally {
    await root.end()
  }
}

async function installWorkerSchema(connectionString: string): Promise<void> {
  await runMigrations({ connectionString, logger: new Logger(() => () => {}), maxPoolSize: 1 })
}

/** Runs graphile-migrate in the checkout, whose .gmrc it reads; its exit code. */
async function graphileMigrate(args: readonly string[], databases: Databases): Promise<number> {
  const root = join(import.meta.dirname, '..')
  const { DATABASE_URL, SHADOW_DATABASE_URL, ROOT_DATABASE_URL } = databases
  const child = spawn(process.execPath, [join(root, 'node_modules/graphile-migrate/dist/cli.js'), ...args], {
    cwd: root,
    env: { ...process.env, DATABASE_URL, SHADOW_DATABASE_URL, ROOT_DATABASE_URL },
    stdio: 'inherit',
  })
  // Ctrl-C reaches the child by itself; this process has the database to give back after it.
  const onSignal = () => child.kill('SIGTERM')
  process.on('SIGINT', () => {})
  process.on('SIGTERM', onSignal)
  const [code] = await once(child, 'exit')
  return code ?? 0
}

const [command, ...rest] = process.argv.slice(2)
if (!command || !commands.includes(command)) {
  console.error(`Usage: node scripts/db.ts ${commands.join('|')} [options of graphile-migrate]`)
  process.exitCode = 2
} else if (command === 'worker-schema') {
  // What .gmrc has done after a reset; graphile-migrate says to which database.
  await installWorkerSchema(process.env.GM_DBURL ?? '')
} else {
  await using databases = await openDatabases()
  await prepare(databases)
  process.exitCode = await graphileMigrate([command, ...rest], databases)
}
