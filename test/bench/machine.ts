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

export interface MemoryWatch {
  /** The most that this process, and the server's sessions together without the shared buffers, have had; null off Linux. */
  stop(): { readonly nodeMiB: number; readonly serverMiB: number | null }
}

/** Looks at the server's memory five times a second. */
export function watchMemory(home: string): MemoryWatch {
  let peak: number | null = null
  const look = async () => {
    const server = await serverState(join(home, 'data'))
    if (!server || process.platform !== 'linux') return
    peak = Math.max(peak ?? 0, await privateKiB(server.pid))
  }
  const timer = setInterval(() => void look().catch(() => {}), 200).unref()
  return {
    stop() {
      clearInterval(timer)
      return {
        nodeMiB: Math.round(process.resourceUsage().maxRSS / 1024),
        serverMiB: peak === null ? null : Math.round(peak / 1024),
      }
    },
  }
}

/** Of the process and its children, without what they share. */
async function privateKiB(pid: number): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const sizes = pids.map(async (name) => {
    const status = await readFile(`/proc/${name}/status`, 'utf8').catch(() => '')
    const field = (key: string) => Number(status.match(new RegExp(`^${key}:\\s+(\\d+)`, 'm'))?.[1] ?? 0)
    return field('Pid') === pid || field('PPid') === pid ? field('RssAnon') : 0
  })
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}
