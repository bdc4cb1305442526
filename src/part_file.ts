import { readdir, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { processExists } from './database/embedded_users.ts'

/** Where to write a file that appears under its name when it is complete, in the place of one that may be there. */
export interface PartFile {
  /** What to write to. A pipe or a device takes the bytes itself. */
  readonly path: string
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
    return { path, mode, complete: async () => {}, discard: async () => {} }
  const target = await realpath(path).catch(() => path)
  await removePartsOfTheDead(target)
  const part = `${target}.${process.pid}.part`
  return {
    path: part,
    mode,
    complete: () => rename(part, target),
    discard: () => rm(part, { force: true }),
  }
}

async function removePartsOfTheDead(target: string): Promise<void> {
  const names = await readdir(dirname(target)).catch(() => [])
  for (const name of names) {
    const [, of, pid] = /^(.*)\.(\d+)\.part$/.exec(name) ?? []
    if (of !== basename(target) || processExists(Number(pid))) continue
    await rm(join(dirname(target), name), { force: true })
  }
}
