import { access, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { acquireEmbedded } from '../../src/database/embedded.ts'
import type { Binaries } from '../../src/database/embedded_binaries.ts'
import { requireNoTraceInDatabase, traceIn } from './canaries.ts'
import { databaseUrl, makeClusterHome, removeHome, throwawaySettings } from './cluster.ts'

export interface Server {
  readonly title: string
  readonly binaries?: Binaries
}

export interface RunCluster extends AsyncDisposable {
  readonly url: string
  /** Where its databases, as they are now, or its log tell a secret: a sentence each. */
  traces(): Promise<string[]>
}

export const packagedServer: Server = { title: 'the embedded PostgreSQL' }

const DEBIAN = '/usr/lib/postgresql'
const OLDEST = 14

/** What Debian and Ubuntu have installed. */
export async function otherServers(): Promise<Server[]> {
  const servers: Server[] = []
  for (const name of (await readdir(DEBIAN).catch(() => [])).sort()) {
    const bin = join(DEBIAN, name, 'bin')
    const binaries: Binaries = {
      initdb: join(bin, 'initdb'),
      pgCtl: join(bin, 'pg_ctl'),
      postgres: join(bin, 'postgres'),
      version: name,
      major: Number(name),
    }
    const isComplete = await Promise.all([access(binaries.initdb), access(binaries.postgres)]).then(
      () => true,
      () => false,
    )
    if (isComplete && binaries.major >= OLDEST)
      servers.push({ title: `PostgreSQL ${name} in ${bin}`, binaries })
  }
  return servers
}

/** A cluster for this run alone, deleted when disposed of. */
export async function startCluster({ binaries }: Server, runFolder: string): Promise<RunCluster> {
  const home = join(runFolder, `cluster-${binaries?.version ?? 'embedded'}`)
  await makeClusterHome(home)
  const embedded = await acquireEmbedded({
    home,
    settings: throwawaySettings,
    ...(binaries ? { binaries } : {}),
  })
  return {
    url: databaseUrl(embedded.url, 'postgres'),
    traces: () => tracesIn(embedded.url, join(home, 'postgres.log')),
    async [Symbol.asyncDispose]() {
      await embedded.release()
      await removeHome(home)
    },
  }
}

async function tracesIn(url: string, log: string): Promise<string[]> {
  const traces: string[] = []
  for (const name of await databasesOf(url)) {
    const sql = postgres(databaseUrl(url, name), { max: 1, onnotice: () => {} })
    await requireNoTraceInDatabase(sql).catch(({ message }) => traces.push(`${name}: ${message}`))
    await sql.end({ timeout: 5 })
  }
  const logged = traceIn(await readFile(log, 'utf8'))
  return logged === null ? traces : [...traces, `The log of the server tells ${logged}`]
}

async function databasesOf(url: string): Promise<string[]> {
  const sql = postgres(url, { max: 1 })
  const rows = await sql<{ name: string }[]>`select datname as name from pg_database where datallowconn`
  await sql.end({ timeout: 5 })
  return rows.map(({ name }) => name)
}
