import { type FileHandle, open } from 'node:fs/promises'
import { addAbortSignal, type Readable } from 'node:stream'
import { whyNotRead } from '../read_fault.ts'
import { UsageError } from './usage_error.ts'

/** No identifier is longer; of a longer line (a file that is no list) the beginning is kept, and marked so that it is none. */
const longestLine = 10_000
const cutMark = '…'

/** The lines of a stream, as they come, without their ends. Ends with the signal's error when it aborts. */
export async function* linesOf(stream: Readable, signal: AbortSignal): AsyncGenerator<string> {
  addAbortSignal(signal, stream)
  stream.setEncoding('utf8')
  let rest = ''
  for await (const chunk of stream as AsyncIterable<string>) {
    const lines = (rest + chunk).split(/\r\n|\n|\r/)
    const last = lines.pop() ?? ''
    rest = last.length > longestLine ? `${last.slice(0, longestLine)}${cutMark}` : last
    yield* lines
  }
  if (rest !== '') yield rest
}

/** One identifier a line; blank lines and those that begin with # do not count. */
export async function* identifiersIn(stream: Readable, signal: AbortSignal): AsyncGenerator<string> {
  let isFirst = true
  for await (const raw of linesOf(stream, signal)) {
    const line = isFirst ? raw.replace(/^\uFEFF/, '') : raw
    isFirst = false
    const text = line.trim()
    if (text !== '' && !text.startsWith('#')) yield line
  }
}

/** The identifiers in a file, and how many they are where `isCounted` and the file can be read twice. */
export async function identifiersInFile(
  path: string,
  isCounted: boolean,
  signal: AbortSignal,
): Promise<{ identifiers: AsyncIterable<string>; count: number | null }> {
  const file = await opened(path)
  const stat = await file.stat()
  if (stat.isDirectory()) {
    await file.close()
    throw cannotRead(path, Object.assign(new Error(), { code: 'EISDIR' }))
  }
  const count = isCounted && stat.isFile() ? await countIn(await opened(path), signal) : null
  return { identifiers: identifiersIn(file.createReadStream(), signal), count }
}

async function countIn(file: FileHandle, signal: AbortSignal): Promise<number> {
  let count = 0
  for await (const _ of identifiersIn(file.createReadStream(), signal)) count += 1
  return count
}

async function opened(path: string): Promise<FileHandle> {
  try {
    return await open(path)
  } catch (error) {
    throw cannotRead(path, error)
  }
}

function cannotRead(path: string, error: unknown): UsageError {
  return new UsageError(`${path} cannot be read: ${whyNotRead(error)}.`)
}
