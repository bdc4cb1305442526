import { stat } from 'node:fs/promises'
import { type Entry, openPromise } from 'yauzl'
import { ImportError } from '../errors/import_error.ts'
import { cannotRead } from './cannot_read.ts'
import type { Source } from './source.ts'
import { unreadable } from './unreadable.ts'

/** The files in a zip, in its order, without folders and what is hidden (`__MACOSX/`, `.DS_Store`). */
export async function zipEntries(path: string, name: string): Promise<Source[]> {
  const { mtimeMs } = await stat(path)
  try {
    return await entriesOf(path, name, mtimeMs)
  } catch (error) {
    throw damaged(name, error)
  }
}

async function entriesOf(path: string, name: string, mtimeMs: number): Promise<Source[]> {
  const sources: Source[] = []
  const zip = await openPromise(path)
  for await (const entry of zip.eachEntry()) {
    if (/(^|\/)(\.|__MACOSX\/)|\/$/.test(entry.fileName)) continue
    const inner = `${name}/${entry.fileName}`
    if (!entry.canDecodeFileData()) {
      const problem = 'cannot be unpacked: it has a password, or is packed in an unusual way.'
      sources.push(unreadable(inner, new ImportError(inner, problem)))
      continue
    }
    sources.push({
      name: inner,
      size: entry.compressedSize,
      modifiedAt: entry.getLastModDate().getTime() || mtimeMs,
      bytes: (onBytes) => bytesOf(path, inner, entry, onBytes),
    })
  }
  if (sources.length === 0) throw new ImportError(name, 'is a zip with no files in it.')
  return sources
}

async function* bytesOf(
  path: string,
  name: string,
  entry: Entry,
  onBytes: (count: number) => void = () => {},
): AsyncGenerator<Buffer> {
  const packed = entry.compressedSize / Math.max(entry.uncompressedSize, 1)
  const zip = await openPromise(path, { autoClose: false })
  try {
    const stream = await zip.openReadStreamPromise(entry)
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      onBytes(chunk.length * packed)
      yield chunk
    }
  } catch (error) {
    throw damaged(name, error)
  } finally {
    zip.close()
  }
}

/** What has no code is what yauzl finds wrong with the zip, said for those who know how a zip is made. */
function damaged(name: string, error: unknown): ImportError {
  const hasCode = (error as NodeJS.ErrnoException).code !== undefined
  if (hasCode || error instanceof ImportError) return cannotRead(name, error)
  return new ImportError(name, 'is no whole zip file: it is cut off or damaged.', { cause: error })
}
