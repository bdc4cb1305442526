import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

const execFileAsync = promisify(execFile)

/** Whether a process has this number, whoever's it is and dead or not: see processStart. */
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
export async function processStart(pid: number): Promise<string | null> {
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
