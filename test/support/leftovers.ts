import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

/**
 * A name for a variable in the environment of a test's process, which its children inherit and servers that left its
 * process group carry too: so nothing that a test started can hide.
 */
export function newMark(): string {
  return `PGFIGI_TEST_MARK_${randomUUID().replaceAll('-', '')}`
}

/** Kills every process that carries the mark; their pids, and what they ran as far as the system tells. */
export async function endMarked(mark: string): Promise<Map<number, string>> {
  const ended = new Map<number, string>()
  for (let round = 0; round < 50; round++) {
    const living = await markedProcesses(mark)
    if (living.length === 0) break
    for (const pid of living) {
      if (!ended.has(pid)) ended.set(pid, await commandOf(pid))
      try {
        process.kill(pid, 'SIGKILL')
      } catch {} // it ended by itself
    }
    await sleep(40)
  }
  return ended
}

async function commandOf(pid: number): Promise<string> {
  const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return line.replaceAll('\0', ' ').trim()
}

/** Whether the process carries the mark, on Linux. */
export function isMarked(pid: number, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(mark)
  } catch {
    return false // it has ended
  }
}

async function markedProcesses(mark: string): Promise<number[]> {
  if (process.platform === 'win32') return []
  if (process.platform !== 'linux') {
    const { stdout } = await promisify(execFile)('ps', ['axeww', '-o', 'pid=,command='], { maxBuffer: 1e8 })
    return stdout
      .split('\n')
      .filter((line) => line.includes(mark))
      .map((line) => Number.parseInt(line, 10))
  }
  const found: number[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const [environment, stat] = await Promise.all([
      readFile(`/proc/${name}/environ`, 'utf8').catch(() => ''),
      readFile(`/proc/${name}/stat`, 'utf8').catch(() => ''),
    ])
    const isZombie = stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')
    if (environment.includes(mark) && !isZombie) found.push(Number(name))
  }
  return found
}
