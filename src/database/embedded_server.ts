import { execFile } from 'node:child_process'
import { chown, lchown, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { EmbeddedError } from '../errors/embedded_error.ts'
import { processExists } from '../processes.ts'
import type { Binaries } from './embedded_binaries.ts'
import { type Account, runCommand } from './embedded_command.ts'
import { freePort } from './embedded_port.ts'
import { noRoom, saysDiskFull } from './embedded_room.ts'

/** A home's cluster: where it lies, and who runs it with what. */
export interface Cluster {
  readonly home: string
  /** The data folder's real path, which need not exist yet. */
  readonly data: string
  readonly log: string
  readonly account: Account | null
  readonly binaries: Binaries
}

const execFileAsync = promisify(execFile)

const START_SECONDS = 300 // recovery after a crash may take long
const STOP_SECONDS = 60
const LOG_LIMIT_BYTES = 10_000_000

export interface ServerState {
  readonly pid: number
  readonly port: number
  readonly status: 'starting' | 'ready' | 'stopping'
}

/** What the data folder's postmaster.pid says, as long as its process lives and serves that folder; else null. */
export async function serverState(data: string): Promise<ServerState | null> {
  const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
  const pid = Number(lines[0])
  if (!(await isServerOf(pid, data))) return null
  const status = lines[7]?.trim()
  return {
    pid,
    port: Number(lines[3]),
    status: status === 'ready' || status === 'stopping' ? status : 'starting',
  }
}

/** The server, once it is neither starting nor stopping. */
export async function settledServer(data: string): Promise<ServerState | null> {
  for (const deadline = performance.now() + START_SECONDS * 1000; ; await sleep(100)) {
    const state = await serverState(data)
    if (!state || state.status === 'ready') return state
    if (performance.now() > deadline) {
      throw new EmbeddedError('start', `The database in ${data} has been ${state.status} for five minutes`)
    }
  }
}

/** Starts the server, on `port` where that is free; the port it listens on. */
export async function startServer(
  cluster: Cluster,
  port: number,
  settings: Readonly<Record<string, string>>,
): Promise<number> {
  const { data, log, account, binaries } = cluster
  await prepareLog(cluster)
  const deadline = performance.now() + 30_000
  let again = false
  for (let attempt = await freePort(port); ; ) {
    await writeSettings(cluster, { ...settings, port: String(attempt) })
    const logged = (await stat(log)).size
    const args = ['start', '-w', '-s', '-t', String(START_SECONDS), '-D', data, '-l', log]
    const { code, output } = await runCommand(binaries.pgCtl, args, { account })
    if (code === 0) return attempt

    const said = (await readFile(log, 'utf8')).slice(logged)
    if (performance.now() > deadline) throw startError(data, log, said || output)
    if (/Address already in use|could not create any TCP\/IP sockets/.test(said))
      attempt = await freePort(attempt + 1)
    // The children of a postmaster that was killed end by themselves, but not at once.
    else if (/pre-existing shared memory block|lock file "postmaster.pid" already exists/.test(said))
      await sleep(250)
    else if (again) throw startError(data, log, said || output)
    else again = true // somebody may have killed it while it started
  }
}

export async function stopServer({ data, account, binaries }: Cluster): Promise<void> {
  for (const mode of ['fast', 'immediate']) {
    const args = ['stop', '-m', mode, '-w', '-s', '-t', String(STOP_SECONDS), '-D', data]
    await runCommand(binaries.pgCtl, args, { account })
    if (!(await serverState(data))) return
  }
  throw new EmbeddedError('stop', `The database in ${data} does not stop; see postgres.log beside it.`)
}

function startError(data: string, log: string, said: string): EmbeddedError {
  if (saysDiskFull(said)) return noRoom(data)
  const lines = said.trim().split('\n').slice(-8).join('\n  ')
  return new EmbeddedError('start', `The database in ${data} does not start. The end of ${log}:\n  ${lines}`)
}

/** After a restart of the machine, postmaster.pid may name a process that is something else: PostgreSQL would believe it. */
export async function dropForeignPidFile(data: string): Promise<void> {
  const file = join(data, 'postmaster.pid')
  const pid = Number.parseInt(await readFile(file, 'utf8').catch(() => ''), 10)
  if (processExists(pid) && !(await isServerOf(pid, data))) await rm(file)
}

async function isServerOf(pid: number, data: string): Promise<boolean> {
  if (!processExists(pid)) return false
  if (process.platform === 'win32') return true
  const command =
    process.platform === 'linux'
      ? await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      : (await execFileAsync('ps', ['-o', 'command=', '-p', String(pid)]).catch(() => ({ stdout: '' })))
          .stdout
  return command.split(/\0|\n/).some((part) => part === data || part.endsWith(` ${data}`))
}

async function prepareLog({ log, account }: Cluster): Promise<void> {
  const size = await stat(log)
    .then((entry) => entry.size)
    .catch(() => 0)
  if (size > LOG_LIMIT_BYTES) await rename(log, `${log}.1`)
  await (await open(log, 'a', 0o600)).close()
  if (account) await lchown(log, account.uid, account.gid)
}

/** Listens on loopback only, and on no unix socket: a path in a deep home would be too long for one. */
async function writeSettings({ data, account }: Cluster, settings: Record<string, string>): Promise<void> {
  const all = { listen_addresses: '127.0.0.1', unix_socket_directories: '', ...settings }
  const lines = Object.entries(all).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`)
  const file = join(data, 'pgfigi.conf')
  await writeFile(
    file,
    `# Written by pgfigi at every start; your own settings go into postgresql.conf.\n${lines.join('')}`,
  )
  if (account) await chown(file, account.uid, account.gid)
}
