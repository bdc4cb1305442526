import { createHash } from 'node:crypto'
import { chmod, mkdir, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { acquireEmbedded } from '../../src/database/embedded.ts'
import { testPassword } from './canaries.ts'

export const packageRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** Settings for clusters that may be lost at any time. */
export const throwawaySettings = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '200',
  autovacuum: 'off',
}

let url: Promise<string> | undefined

/**
 * The cluster that the tests use, as a URL of its database `postgres`: the one that the runner started, else (a file run
 * by hand) one in a folder under /tmp that runs of the same checkout share, and that stops with the last of them.
 */
export function clusterUrl(): Promise<string> {
  url ??= findCluster()
  return url
}

async function findCluster(): Promise<string> {
  const given = process.env.PGFIGI_TEST_DATABASE_URL
  if (given) return given
  const checkout = createHash('sha256').update(packageRoot).digest('hex').slice(0, 8)
  const home = join(tmpdir(), `pgfigi-test-${process.getuid?.() ?? 'user'}-${checkout}`)
  await makeClusterHome(home)
  const embedded = await acquireEmbedded({ home, settings: throwawaySettings })
  atEnd(() => embedded.release())
  return databaseUrl(embedded.url, 'postgres')
}

/** The URL of another database of the same cluster. */
export function databaseUrl(cluster: string, database: string): string {
  const url = new URL(cluster)
  url.pathname = `/${database}`
  return url.href
}

/** A home that the server's user can enter, also where root makes it. */
export async function makeHome(home: string): Promise<void> {
  await mkdir(home, { recursive: true })
  if (process.getuid?.() === 0) await chmod(home, 0o711)
}

/** As makeHome, for a cluster with this password, where it has none yet. */
export async function makeClusterHome(home: string, password: string = testPassword): Promise<void> {
  await makeHome(home)
  await writeFile(join(home, 'password'), password, { mode: 0o600, flag: 'wx' }).catch((error) => {
    if (error.code !== 'EEXIST') throw error
  })
}

/** Also where a server that has just been killed still writes its last file. */
const thoroughly = { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }

/** Deletes a home with its data, also where the data lies elsewhere. Its server must be down. */
export async function removeHome(home: string): Promise<void> {
  const data = await realpath(join(home, 'data')).catch(() => null)
  if (data && dirname(data) !== (await realpath(home))) await rm(dirname(data), thoroughly)
  await rm(home, thoroughly)
}

const endings: (() => Promise<void>)[] = []

/** Runs when the process has nothing left to do, last registered first. Not when it is killed or calls process.exit. */
export function atEnd(work: () => Promise<void>): void {
  if (endings.length === 0) process.once('beforeExit', runEndings)
  endings.push(work)
}

async function runEndings(): Promise<void> {
  for (let work = endings.pop(); work; work = endings.pop()) await work()
}
