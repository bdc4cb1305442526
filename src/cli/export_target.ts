import { once } from 'node:events'
import { type FileHandle, open } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { PgfigiError } from '../errors/pgfigi_error.ts'
import { partFile } from '../part_file.ts'
import { whyNotWritten } from '../write_fault.ts'
import type { Context } from './context.ts'
import { UsageError } from './usage_error.ts'

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
  const part = await partFile(path)
  const file = await open(part.path, part.flags, part.mode).catch((error) => {
    throw new UsageError(`${path} cannot be written: ${whyNotWritten(error)}.`)
  })
  return {
    async write(bytes) {
      await written(bytes, file, path, signal)
      if (part.path === path) return
      await explained(path, async () => {
        await file.sync()
        await part.complete()
      })
    },
    async [Symbol.asyncDispose]() {
      await file.close()
      await part.discard()
    },
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
    throw new PgfigiError(`${path} cannot be written: ${whyNotWritten(error)}. Nothing is left of it.`, {
      cause: error,
    })
  }
}
