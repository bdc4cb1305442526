import { type Place, type Reject, reject } from './records.ts'

/** Beyond this, in characters, a line or value is no record of anything we read, and would only fill the memory. */
export const longestRecord = 4 * 1024 * 1024

/** Of a line that is too long so much is kept, to show. */
const shownOfIt = 2_000

export interface Lines {
  /** The number of the first, from 1. */
  readonly first: number
  readonly lines: string[]
}

/** The lines that are too long for `linesOf`, as rejects; they are blank among the others. */
export class LongLines {
  readonly #file: string
  #rejects: Reject[] = []

  constructor(file: string) {
    this.#file = file
  }

  add(line: number, beginning: string): void {
    this.#rejects.push(tooLong({ file: this.#file, line }, beginning))
  }

  /** Those that have come up since it was last asked. */
  take(): Reject[] {
    return this.#rejects.splice(0)
  }
}

/** The lines of a text, in arrays; their ends (LF, CRLF or CR, or with `end` nothing but that) are taken off. */
export async function* linesOf(
  text: AsyncIterable<string>,
  long?: LongLines,
  end?: '\n' | '\r',
): AsyncGenerator<Lines> {
  let rest = ''
  /** Of a line that is too long and has not ended yet. */
  let beginning: string | null = null
  let first = 1
  for await (const chunk of text) {
    // A CR that ends the piece may be half of a CRLF, and waits for the next.
    const whole = rest + chunk
    const isOpen = end === undefined && whole.endsWith('\r')
    const lines = (isOpen ? whole.slice(0, -1) : whole).split(end ?? lineEnd(whole))
    const last = lines.pop() ?? ''
    if (beginning !== null && lines.length > 0) {
      long?.add(first, beginning)
      beginning = null
      lines[0] = ''
    }
    for (const [n, line] of lines.entries()) {
      if (line.length <= longestRecord) continue
      long?.add(first + n, line.slice(0, shownOfIt))
      lines[n] = ''
    }
    if (last.length > longestRecord) beginning ??= last.slice(0, shownOfIt)
    rest = (beginning === null ? last : '') + (isOpen ? '\r' : '')
    if (lines.length > 0) yield { first, lines }
    first += lines.length
  }
  if (beginning !== null) long?.add(first, beginning)
  const last = end === undefined && rest.endsWith('\r') ? rest.slice(0, -1) : rest
  if (last !== '') yield { first, lines: [last] }
}

/** Splitting by a string is several times as fast as by a pattern. */
function lineEnd(text: string): string | RegExp {
  return text.includes('\r') ? /\r\n|\n|\r/ : '\n'
}

export function tooLong(place: Place, beginning: string): Reject {
  return reject(place, 'its record is longer than 4 MB', beginning)
}
