import { requireText } from '../import/require_text.ts'
import type { Source } from '../import/source.ts'
import { beginningOf } from '../import/text.ts'

/** What is looked at to tell how a file is laid out, in characters. */
const beginningLength = 256 * 1024

/** A file, and its first characters. */
export interface Beginning {
  readonly source: Source
  readonly beginning: string
  /** Whether that is all of it. */
  readonly isWhole: boolean
  readonly isMarked: boolean
  readonly lineEnd: '\n' | '\r\n' | '\r'
}

/** Throws an ImportError for what is no text. */
export async function readBeginning(source: Source): Promise<Beginning> {
  const beginning = await beginningOf(source, beginningLength)
  requireText(beginning, source.name)
  return {
    source,
    beginning,
    isWhole: beginning.length < beginningLength,
    isMarked: await isMarked(source),
    lineEnd: lineEndOf(beginning),
  }
}

/** How its first line ends: line breaks in quotes are no ends, unless there are no others. */
function lineEndOf(beginning: string): Beginning['lineEnd'] {
  const unquoted = beginning.replace(/"[^"]*"/g, '')
  const text = /[\r\n]/.test(unquoted) ? unquoted : beginning
  const [end] = /\r?\n/.exec(text) ?? ['']
  if (end === '') return text.includes('\r') ? '\r' : '\n'
  return end === '\n' ? '\n' : '\r\n'
}

async function isMarked(source: Source): Promise<boolean> {
  for await (const chunk of source.bytes()) {
    const mark = chunk.subarray(0, 3).toString('hex')
    return mark === 'efbbbf' || /^(fffe|feff)/.test(mark)
  }
  return false
}
