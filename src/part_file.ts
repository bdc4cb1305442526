import { readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { processExists } from './database/embedded_users.ts'

/** Clocks of the system and of its files are so far apart at most. */
const toleranceMs = 2_000

/** Where to write a file that appears under its name when it is complete, in the place of one that may be there. */
export interface PartFile {
  /** What to write to. A pipe or a device takes the bytes itself. */
  readonly path: string
  /** How to open it: a new file must be one of our own, since in a folder like /tmp somebody may have put a link under its name. */
  readonly flags: 'wx' | 'w'
  /** The rights of the file that is there. */
  readonly mode: number | undefined
  /** Gives it its name. */
  complete(): Promise<void>
  /** Leaves no trace of it, unless it is complete. */
  discard(): Promise<void>
}

/** Removes what a run left behind that was killed while it wrote the same file. */
export async function partFile(path: string): Promise<PartFile> {
  const existing = await stat(path).catch(() => null)
  const mode = existing?.mode
  if (existing !== null && !existing.isFile())
    return { path, mode, flags: 'w', complete: async () => {}, discard: async () => {} }
  const target = await realpath(path).catch(() => path)
  await removePartsOfTheDead(target)
  const part = `${target}.${process.pid}.part`
  await rm(part, { force: true }).catch(() => {}) // of an earlier process with our number
  return {
    path: part,
    flags: 'wx',
    mode,
    complete: () => rename(part, target),
    discard: () => rm(part, { force: true }),
  }
}

async function removePartsOfTheDead(target: string): Promise<void> {
  const names = await readdir(dirname(target)).catch(() => [])
  for (const name of names) {
    const [, of, pid] = /^(.*)\.(\d+)\.part$/.exec(name) ?? []
    const part = join(dirname(target), name)
    if (of === basename(target) && !(await isWriting(Number(pid), part))) await rm(part, { force: true })
  }
}

/** Whether the process may have made the file: one that began later has only been given the same number. */
async function isWriting(pid: number, part: string): Promise<boolean> {
  if (!processExists(pid)) return false
  const [begun, made] = await Promise.all([
    startOf(pid),
    stat(part).then(
      ({ birthtimeMs }) => birthtimeMs,
      () => null,
    ),
  ])
  return begun === null || made === null || begun <= made + toleranceMs
}

/** When a process began, in milliseconds since 1970; null where it cannot be told. */
async function startOf(pid: number): Promise<number | null> {
  const read = (file: string) => readFile(file, 'utf8').catch(() => '')
  const [line, uptime] = await Promise.all([read(`/proc/${pid}/stat`), read('/proc/uptime')])
  const ticks = Number(line.slice(line.lastIndexOf(')') + 2).split(' ')[19]) // field 22 of proc(5), of which a second has 100
  const startedAgo = Number.parseFloat(uptime) - ticks / 100
  return Number.isNaN(startedAgo) ? null : Date.now() - startedAgo * 1000
}
