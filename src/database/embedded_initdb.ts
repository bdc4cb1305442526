import { randomBytes } from 'node:crypto'
import { appendFile, chown, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { EmbeddedError } from '../errors/embedded_error.ts'
import { runCommand } from './embedded_command.ts'
import { noRoom, saysDiskFull } from './embedded_room.ts'
import type { Cluster } from './embedded_server.ts'

/** The superuser and the database; both carry the project's name. */
export const OWNER = 'pgfigi'

const UNFINISHED = 'data.new-'

/**
 * Makes the cluster under another name and renames it when it is whole, so that a kill half way leaves nothing that
 * looks like a database. Authentication is "reject" until the password is set.
 */
export async function initialiseCluster(cluster: Cluster, password: string): Promise<void> {
  const fresh: Cluster = { ...cluster, data: await mkdtemp(join(dirname(cluster.data), UNFINISHED)) }
  try {
    await makeDatabase(fresh, password)
    await rename(fresh.data, cluster.data)
  } catch (error) {
    await rm(fresh.data, { recursive: true, force: true }).catch(() => {})
    throw error
  }
}

async function makeDatabase(fresh: Cluster, password: string): Promise<void> {
  const { data, account, binaries } = fresh
  if (account) await chown(data, account.uid, account.gid)

  const locale = binaries.major >= 17 ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8'] : []
  const args = [
    '-D',
    data,
    '-U',
    OWNER,
    '-E',
    'UTF8',
    '--locale=C',
    ...locale,
    '-A',
    'reject',
    '--no-instructions',
  ]
  const { code, output } = await runCommand(binaries.initdb, args, { account })
  if (code !== 0) throw failed(fresh, 'made', output)

  await writeFile(join(data, 'pg_hba.conf'), `host all all 127.0.0.1/32 scram-sha-256\n`)
  await appendFile(join(data, 'postgresql.conf'), `\ninclude_if_exists 'pgfigi.conf'\n`)
  await runAlone(fresh, `create database ${OWNER}`)
  await setPassword(fresh, password)
}

/** What initdbs that were killed left; one that was orphaned may still be writing, so it is not insisted on. */
export async function removeUnfinished(cluster: Cluster): Promise<void> {
  const base = dirname(cluster.data)
  for (const name of await readdir(base)) {
    if (!name.startsWith(UNFINISHED)) continue
    await rm(join(base, name), { recursive: true, force: true, maxRetries: 2 }).catch(() => {})
  }
}

/** Sets the superuser's password while the server is down. */
export async function setPassword(cluster: Cluster, password: string): Promise<void> {
  await runAlone(cluster, `alter role ${OWNER} password '${password}'`)
}

export function newPassword(): string {
  return randomBytes(24).toString('hex')
}

/** The home's password; null where there is none. */
export async function readPassword(home: string): Promise<string | null> {
  return (await readFile(join(home, 'password'), 'utf8').catch(() => '')).trim() || null
}

/** One statement in PostgreSQL's single-user mode, through stdin, where no list of processes shows it. */
async function runAlone(cluster: Cluster, statement: string): Promise<void> {
  const { data, account, binaries } = cluster
  const args = ['--single', '-D', data, '-c', 'exit_on_error=on', 'postgres']
  const { code, output } = await runCommand(binaries.postgres, args, { account, input: `${statement}\n` })
  if (code !== 0 || /^.*(ERROR|FATAL|PANIC):/m.test(output)) {
    throw failed(cluster, 'prepared', output)
  }
}

function failed({ home, data }: Cluster, what: string, output: string): EmbeddedError {
  if (saysDiskFull(output)) return noRoom(home)
  return new EmbeddedError('initdb', `The database in ${data} could not be ${what}:\n${output.trim()}`)
}
