import { readdir, readFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { serverState } from '../../src/database/embedded_server.ts'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly node: string
}

export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  }
}

/** The most that they have had, in MiB, without the shared buffers; null off Linux. */
export interface PeakMemory {
  readonly nodeMiB: number
  /** The server's sessions together, and the largest of them. */
  readonly serverMiB: number | null
  readonly sessionMiB: number | null
}

export interface MemoryWatch {
  stop(): PeakMemory
}

/** Looks at the server's memory five times a second. */
export function watchMemory(home: string): MemoryWatch {
  let peak: { sum: number; largest: number } | null = null
  const look = async () => {
    const server = await serverState(join(home, 'data'))
    if (!server || process.platform !== 'linux') return
    const sizes = await privateKiB(server.pid)
    peak = {
      sum: Math.max(
        peak?.sum ?? 0,
        sizes.reduce((sum, size) => sum + size, 0),
      ),
      largest: Math.max(peak?.largest ?? 0, ...sizes),
    }
  }
  const timer = setInterval(() => void look().catch(() => {}), 200).unref()
  const megabytes = (kibibytes: number | undefined) =>
    kibibytes === undefined ? null : Math.round(kibibytes / 1024)
  return {
    stop() {
      clearInterval(timer)
      return {
        nodeMiB: Math.round(process.resourceUsage().maxRSS / 1024),
        serverMiB: megabytes(peak?.sum),
        sessionMiB: megabytes(peak?.largest),
      }
    },
  }
}

/** What a session of the server has now, in MiB, without the shared buffers; null off Linux. */
export async function sessionMiB(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => null)
  return status === null ? null : statusField(status, 'RssAnon') / 1024
}

/** Of the process and each of its children, without what they share. */
async function privateKiB(pid: number): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const sizes = pids.map(async (name) => {
    const status = await readFile(`/proc/${name}/status`, 'utf8').catch(() => '')
    const isOurs = statusField(status, 'Pid') === pid || statusField(status, 'PPid') === pid
    return isOurs ? statusField(status, 'RssAnon') : 0
  })
  return await Promise.all(sizes)
}

function statusField(status: string, key: string): number {
  return Number(status.match(new RegExp(`^${key}:\\s+(\\d+)`, 'm'))?.[1] ?? 0)
}
