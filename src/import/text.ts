import type { Source } from './source.ts'
import { utf8Decoder } from './utf8.ts'

/** How a text is encoded, by its byte order mark: UTF-8 where it has none. */
type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'latin1'

/** The first characters of a source, for a look at what it is. */
export async function beginningOf(source: Source, length = 64 * 1024): Promise<string> {
  let text = ''
  for await (const chunk of textOf(source)) {
    text += chunk
    if (text.length >= length) break
  }
  return text.slice(0, length)
}

interface TextOptions {
  /** SEC files are latin-1, and never say so. */
  readonly isLatin1?: boolean
  onBytes?(count: number): void
  /** Told once where a text is not what it seems to be. */
  onWarning?(sentence: string): void
}

/** The text of a source in pieces, without a byte order mark. What is not UTF-8 in it is windows-1252. */
export async function* textOf(
  source: Source,
  { isLatin1 = false, onBytes, onWarning }: TextOptions = {},
): AsyncGenerator<string> {
  const onForeign = () =>
    onWarning?.(`${source.name} is not all UTF-8: what is not has been read as windows-1252.`)
  let decode: ((chunk?: Buffer) => string) | null = null
  for await (const chunk of source.bytes(onBytes)) {
    decode ??= decoderOf(isLatin1 ? 'latin1' : encodingOf(chunk), onForeign)
    yield decode(chunk)
  }
  const rest = decode?.() ?? ''
  if (rest !== '') yield rest
}

function encodingOf(chunk: Buffer): Encoding {
  if (chunk[0] === 0xff && chunk[1] === 0xfe) return 'utf-16le'
  if (chunk[0] === 0xfe && chunk[1] === 0xff) return 'utf-16be'
  return 'utf-8'
}

function decoderOf(encoding: Encoding, onForeign: () => void): (chunk?: Buffer) => string {
  if (encoding === 'latin1') return (chunk) => chunk?.toString('latin1') ?? ''
  if (encoding === 'utf-8') return utf8Decoder(onForeign)
  const decoder = new TextDecoder(encoding)
  return (chunk) => (chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode())
}
