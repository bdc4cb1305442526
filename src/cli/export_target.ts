import { once } from 'node:events'
import { type FileHandle, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { processExists } from '../database/embedded_users.ts'
import { PgfigiError } from '../errors/pgfigi_error.ts'
import type { Context } from './context.ts'
import { UsageError } from './usage_error.ts'

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such folder',
  ENOTDIR: 'there is no such folder',
  EACCES: 'this user may not write there',
  EEXIST: 'somebody else’s file has the name that is needed meanwhile',
  EPERM: 'this user may not write there',
  EROFS: 'the disk is read-only',
  EISDIR: 'it is a folder',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of this user is used up',
}

/** Where an export goes. Disposed of before it is complete, it leaves no trace. */
export interface ExportTarget extends AsyncDisposable {
  /** Writes it all, no faster than it is taken, and completes it. */
  write(bytes: AsyncIterable<Buffer>): Promise<void>
}

export function stdoutTarget({ stdout, signal }: Context): ExportTarget {
  return {
    async write(bytes) {
      for await (const piece of bytes) {
        signal.throwIfAborted()
        if (!stdout.write(piece)) await once(stdout, 'drain', { signal })
      }
    },
    async [Symbol.asyncDispose]() {},
  }
}

/**
 * A file, which appears under its name when it is complete, in the place of one that may be there; compressed where its name
 * ends in .gz. Throws a UsageError where it cannot be opened.
 */
export async function fileTarget(path: string, { signal }: Context): Promise<ExportTarget> {
  const existing = await stat(path).catch(() => null)
  // A pipe or a device takes the bytes itself.
  const isPlain = existing === null || existing.isFile()
  const target = isPlain ? await realpath(path).catch(() => path) : path
  const temporary = isPlain ? `${target}.${process.pid}.part` : target
  if (isPlain) {
    await removePartsOfTheDead(target)
    await rm(temporary, { force: true }).catch(() => {}) // of an earlier process with our pid
  }
  // A file of its own: in a folder like /tmp somebody may have put a link under that name.
  const file = await open(temporary, isPlain ? 'wx' : 'w', existing?.mode).catch((error) => {
    throw new UsageError(`${path} cannot be written: ${reasonOf(error)}.`)
  })
  return {
    async write(bytes) {
      await written(bytes, file, path, signal)
      if (!isPlain) return
      await explained(path, async () => {
        await file.sync()
        await rename(temporary, target)
      })
    },
    async [Symbol.asyncDispose]() {
      await file.close()
      if (isPlain) await rm(temporary, { force: true })
    },
  }
}

/** What a run left behind that was killed while it wrote the same file. */
async function removePartsOfTheDead(target: string): Promise<void> {
  const names = await readdir(dirname(target)).catch(() => [])
  for (const name of names) {
    const [, of, pid] = /^(.*)\.(\d+)\.part$/.exec(name) ?? []
    if (of !== basename(target) || processExists(Number(pid))) continue
    await rm(join(dirname(target), name), { force: true })
  }
}

function written(
  bytes: AsyncIterable<Buffer>,
  file: FileHandle,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const sink = async (pieces: AsyncIterable<Buffer>) => {
    for await (const piece of pieces) await explained(path, () => file.writeFile(piece))
  }
  return path.toLowerCase().endsWith('.gz')
    ? pipeline(bytes, createGzip(), sink, { signal })
    : pipeline(bytes, sink, { signal })
}

async function explained<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new PgfigiError(`${path} cannot be written: ${reasonOf(error)}. Nothing is left of it.`, {
      cause: error,
    })
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return reasons[code ?? ''] ?? message
}
