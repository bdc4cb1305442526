import { createReadStream } from 'node:fs'
import { mkdtemp, open, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { ImportError } from '../errors/import_error.ts'
import { cannotRead } from './cannot_read.ts'
import { requireProportion } from './proportion.ts'
import type { Source } from './source.ts'
import { unreadable } from './unreadable.ts'
import { zipEntries } from './zip.ts'

export interface Sources extends AsyncDisposable {
  readonly sources: readonly Source[]
  /** The sum of the sizes. */
  readonly size: number
}

const chunkSize = 64 * 1024

/**
 * What is to be read, in order: files, the files of folders by name (neither hidden ones nor folders in folders), and `-`
 * for stdin, which is kept in a temporary file, as pipes are, until the whole is disposed of. What cannot be opened is a
 * source too: its bytes throw the ImportError, so that it costs no other.
 */
export async function openSources(
  paths: readonly string[],
  stdin: Readable = process.stdin,
  signal?: AbortSignal,
): Promise<Sources> {
  const folders: string[] = []
  const dispose = async () => {
    for (const folder of folders) await rm(folder, { recursive: true, force: true })
  }
  const spooled = async (stream: Readable) => {
    const folder = await mkdtemp(join(tmpdir(), 'pgfigi-import-'))
    folders.push(folder)
    const path = join(folder, 'input')
    await pipeline(stream, (await open(path, 'w', 0o600)).createWriteStream(), signal ? { signal } : {})
    return path
  }
  try {
    const sources: Source[] = []
    for (const path of paths) {
      sources.push(...(await orUnreadable(path, () => sourcesOf(path, stdin, spooled))))
      signal?.throwIfAborted()
    }
    const size = sources.reduce((sum, source) => sum + source.size, 0)
    return { sources, size, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

async function sourcesOf(
  path: string,
  stdin: Readable,
  spooled: (stream: Readable) => Promise<string>,
): Promise<Source[]> {
  if (path === '-') return sourcesIn(await spooled(stdin), 'stdin')
  const kind = await stat(path)
  if (kind.isFile()) return sourcesIn(path, path)
  if (kind.isCharacterDevice() || kind.isBlockDevice())
    throw new ImportError(path, 'is a device: a file, a folder, a pipe, or - for stdin is needed.')
  if (!kind.isDirectory()) return sourcesIn(await spooled(createReadStream(path)), path)
  const files = await filesIn(path)
  if (files.length === 0) throw new ImportError(path, 'is a folder without files.')
  return (await Promise.all(files.map((file) => orUnreadable(file, () => sourcesIn(file, file))))).flat()
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const files: string[] = []
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.name.startsWith('.')) continue
    if (entry.isFile() || (entry.isSymbolicLink() && (await leadsToFile(path)))) files.push(path)
  }
  return files.sort()
}

/** True also of a link that leads nowhere: whoever reads it is told. */
async function leadsToFile(link: string): Promise<boolean> {
  const kind = await stat(link).catch(() => null)
  return kind?.isFile() ?? true
}

/** What a file holds is told from its first bytes, never from its name. */
async function sourcesIn(path: string, name: string): Promise<Source[]> {
  const { size, mtimeMs: modifiedAt } = await stat(path)
  const magic = await firstBytes(path)
  if (magic === '504b0304' || magic === '504b0506') return zipEntries(path, name)
  const isGzip = magic.startsWith('1f8b')
  return [
    {
      name,
      size,
      modifiedAt,
      bytes: (onBytes) => bytesOf(path, { name, size, modifiedAt, isGzip }, onBytes),
    },
  ]
}

async function firstBytes(path: string): Promise<string> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0)
    return buffer.subarray(0, bytesRead).toString('hex')
  } finally {
    await file.close()
  }
}

/** A file as it was when it was opened. */
interface File {
  readonly name: string
  readonly size: number
  readonly modifiedAt: number
  readonly isGzip: boolean
}

async function* bytesOf(
  path: string,
  { name, size, modifiedAt, isGzip }: File,
  onBytes: (count: number) => void = () => {},
): AsyncGenerator<Buffer> {
  const file = createReadStream(path, { highWaterMark: chunkSize })
  const stream = isGzip ? file.pipe(createGunzip({ chunkSize })) : file
  if (isGzip) file.once('error', (error) => stream.destroy(error))
  let told = 0
  let unpacked = 0
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      onBytes(file.bytesRead - told)
      told = file.bytesRead
      unpacked += chunk.length
      if (isGzip) requireProportion(name, unpacked, told)
      yield chunk
    }
    const now = await stat(path)
    if (now.size !== size || now.mtimeMs !== modifiedAt)
      throw new ImportError(name, 'has changed while it was read: do the same again once it is whole.')
  } catch (error) {
    throw cannotRead(name, error)
  } finally {
    stream.destroy()
    file.destroy()
  }
}

async function orUnreadable(name: string, work: () => Promise<Source[]>): Promise<Source[]> {
  try {
    return await work()
  } catch (error) {
    return [unreadable(name, error)]
  }
}
