import { stat } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { type Entry, openPromise } from 'yauzl'
import { ImportError } from '../errors/import_error.ts'
import { cannotRead } from './cannot_read.ts'
import { requireProportion } from './proportion.ts'
import type { Source } from './source.ts'
import { unreadable } from './unreadable.ts'

/** More are no archive of tables, and would fill the memory by their names alone. */
const mostEntries = 10_000

/** What every file of Microsoft's and OpenDocument's has in it. */
const ofOffice = /^(\[Content_Types\]|META-INF\/manifest)\.xml$/

/** The files in a zip, in its order, without folders and what is hidden (`__MACOSX/`, `.DS_Store`). */
export async function zipEntries(path: string, name: string): Promise<Source[]> {
  const { mtimeMs, size } = await stat(path)
  try {
    return await entriesOf(path, name, { mtimeMs, size })
  } catch (error) {
    throw damaged(name, error)
  }
}

async function entriesOf(
  path: string,
  name: string,
  { mtimeMs, size }: { mtimeMs: number; size: number },
): Promise<Source[]> {
  const sources: Source[] = []
  let packed = 0
  const zip = await openPromise(path)
  if (zip.entryCount > mostEntries) {
    zip.close()
    throw new ImportError(
      name,
      `says that it has ${zip.entryCount.toLocaleString('en-US')} files in it; ${mostEntries.toLocaleString('en-US')} at once can be read.`,
    )
  }
  for await (const entry of zip.eachEntry()) {
    if (ofOffice.test(entry.fileName))
      throw new ImportError(name, 'is a workbook of Excel or the like: save its sheet as CSV, and use that.')
    packed += entry.compressedSize
    if (packed > size)
      throw new ImportError(name, 'is no whole zip file: the files in it take more room than it has.')
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
  let unpacked = 0
  let sum = 0
  const zip = await openPromise(path, { autoClose: false }).catch((error) => {
    throw damaged(name, error) // it may have been removed meanwhile
  })
  try {
    const stream = await zip.openReadStreamPromise(entry)
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      onBytes(chunk.length * packed)
      unpacked += chunk.length
      requireProportion(name, unpacked, entry.compressedSize)
      sum = crc32(chunk, sum)
      yield chunk
    }
    if (sum !== entry.crc32)
      throw new ImportError(name, 'is damaged: its checksum is wrong. Unpack or download it anew.')
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
  const said = (error as Error).message.slice(0, 200)
  return new ImportError(name, `is no whole zip file: it is cut off or damaged (${said}).`, { cause: error })
}
