import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const execFileAsync = promisify(execFile)

/**
 * The register of who uses a home's database: one file a user, `home/users/<pid>.<random>`, that holds when the process
 * started, so that a pid which the system gave away again does not count. Call these under the home's lock.
 */
export async function registerUser(home: string): Promise<string> {
  const folder = join(home, 'users')
  // Nobody else may take an entry away or add one, whatever the umask: the last user out stops the server.
  await mkdir(folder, { recursive: true, mode: 0o755 })
  const file = join(folder, `${process.pid}.${randomBytes(4).toString('hex')}`)
  await writeFile(file, (await processStart(process.pid)) ?? '', { mode: 0o644 })
  return file
}

/** The register's living entries; those of dead processes are removed on the way. */
export async function livingUsers(home: string): Promise<string[]> {
  const folder = join(home, 'users')
  const living: string[] = []
  for (const name of await readdir(folder).catch(() => [])) {
    const file = join(folder, name)
    if (await isAlive(Number.parseInt(name, 10), file)) living.push(file)
    else await rm(file, { force: true })
  }
  return living
}

async function isAlive(pid: number, file: string): Promise<boolean> {
  if (!processExists(pid)) return false
  const registered = await readFile(file, 'utf8').catch(() => '')
  const actual = await processStart(pid)
  return registered === '' || actual === null || registered === actual
}

export function processExists(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' // it lives, under another user
  }
}

/** When a process started, as an opaque text that no later process with the same pid has; null where it cannot be told. */
async function processStart(pid: number): Promise<string | null> {
  try {
    if (process.platform === 'linux') {
      const [stat, boot] = await Promise.all([
        readFile(`/proc/${pid}/stat`, 'utf8'),
        readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      ])
      const afterName = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (afterName[0] === 'Z') return 'dead, and not yet buried by its parent'
      return `${boot.trim()} ${afterName[19]}` // field 22 of proc(5): start time in ticks since boot
    }
    if (process.platform === 'win32') return null
    return (await execFileAsync('ps', ['-o', 'lstart=', '-p', String(pid)])).stdout.trim()
  } catch {
    return null
  }
}
