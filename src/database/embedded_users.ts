import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { processExists, processStart } from '../processes.ts'

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
