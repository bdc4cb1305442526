import { createHash } from 'node:crypto'
import { readdir, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { processExists, processStart } from './processes.ts'

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
  const mark = markOf(await processStart(process.pid))
  const part = `${target}.pgfigi-${process.pid}-${mark}.part`
  await rm(part, { force: true }).catch(() => {}) // of an earlier attempt of ours
  return {
    path: part,
    flags: 'wx',
    mode,
    complete: () => rename(part, target),
    discard: () => rm(part, { force: true }).catch(() => {}), // where it could not be made, it is somebody else's
  }
}

async function removePartsOfTheDead(target: string): Promise<void> {
  const names = await readdir(dirname(target)).catch(() => [])
  for (const name of names) {
    const [, of, pid, mark] = /^(.*)\.pgfigi-(\d+)-([0-9a-f]{8})\.part$/s.exec(name) ?? []
    if (of !== basename(target) || (await isAlive(Number(pid), mark))) continue
    // In a folder like /tmp it may be another user's, who alone may remove it.
    await rm(join(dirname(target), name), { force: true }).catch(() => {})
  }
}

async function isAlive(pid: number, mark: string | undefined): Promise<boolean> {
  if (!processExists(pid)) return false
  const start = await processStart(pid)
  return start === null || markOf(start) === mark
}

/** Tells a process from a later one that was given the same number. */
function markOf(start: string | null): string {
  return createHash('sha256')
    .update(start ?? '')
    .digest('hex')
    .slice(0, 8)
}
