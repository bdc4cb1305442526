import { ImportError } from '../errors/import_error.ts'
import { longestRecord } from './lines.ts'

/**
 * Bounds what the parser has to keep of a string: once it has been given so much without making a token of it, the rest
 * is dropped up to the closing quote. What it then gives is longer than `longestRecord`, and so is seen to be too long.
 */
export class ShortStrings {
  readonly #file: string
  /** How many characters the parser has been given since its last token. */
  #waiting = 0
  /** How many these are at least where escapes are one character. */
  #unescaped = 0
  #isDropping = false
  #isEscaped = false
  #end = ''

  constructor(file: string) {
    this.#file = file
  }

  /** What the parser is to be given of a piece. Throws an ImportError at a string that cannot be shortened. */
  shortened(piece: string): string {
    // An escape that the parser has half of must come whole.
    this.#isDropping ||= this.#unescaped > longestRecord && !this.#end.includes('\\')
    if (!this.#isDropping) {
      if (this.#waiting > 2 * longestRecord)
        throw new ImportError(this.#file, 'has a value longer than 8 MB.')
      this.#end = piece.slice(-6)
      return piece
    }
    const quote = this.#closingQuote(piece)
    if (quote < 0) return ''
    this.#isDropping = false
    return piece.slice(quote)
  }

  /** Is told of each piece whether the parser made tokens of it. */
  parsed(piece: string, hasTokens: boolean): void {
    if (hasTokens) {
      this.#waiting = 0
      this.#unescaped = 0
      return
    }
    const { length } = piece.trim()
    this.#waiting += length
    this.#unescaped += Math.max(0, length - 5 * (piece.split('\\').length - 1))
  }

  #closingQuote(piece: string): number {
    let at = this.#isEscaped ? 1 : 0
    this.#isEscaped = false
    for (;;) {
      const quote = piece.indexOf('"', at)
      const backslash = piece.indexOf('\\', at)
      if (backslash < 0 || (quote >= 0 && quote < backslash)) return quote
      at = backslash + 2
      if (at > piece.length) this.#isEscaped = true
    }
  }
}
