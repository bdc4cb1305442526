import { normalizeCusip } from '../identifiers.ts'
import { type DelimitedRecord, recordsOf } from './delimited.ts'
import { nextDay, parseDay } from './instants.ts'
import { type Lines, LongLines, linesOf } from './lines.ts'
import { ownCopy } from './own_copy.ts'
import { type Item, type ReadOptions, reject, shown } from './records.ts'
import type { Source } from './source.ts'
import { textOf } from './text.ts'
import { isTicker, storable } from './verdict.ts'

const head = /^\s*"?settlement date"?\s*([|,])/i

/** Whether a text begins as the SEC's fails-to-deliver files do. */
export const isFtd = (beginning: string): boolean => head.test(beginning)

const trailerCount = /^\s*"?trailer record count[\s:]*(\d+)/i
const trailer = /^\s*"?trailer /i
const placeholder = /(XXXX|ZZZZ)$/

/**
 * The sightings of a file of the SEC's fails to deliver: on that day this CUSIP had this symbol. Warns where the file is
 * not whole, which its last lines tell.
 */
export async function* readFtd(source: Source, options: ReadOptions): AsyncGenerator<Item[]> {
  const reader = new FtdReader(source.name)
  const long = new LongLines(source.name)
  const lines = linesOf(textOf(source, { isLatin1: true, onBytes: options.onBytes }), long)
  for await (const records of recordsIn(lines, await delimiterOf(source))) {
    yield [...long.take(), ...records.flatMap((record) => reader.itemOf(record) ?? [])]
  }
  yield long.take()
  const problem = reader.problem()
  if (problem !== null) options.onWarning(`${source.name} ${problem}`)
}

async function delimiterOf(source: Source): Promise<string> {
  for await (const piece of textOf(source, { isLatin1: true })) return head.exec(piece)?.[1] ?? '|'
  return '|'
}

/** With pipes a quote is a character like any other; with commas it is not. */
async function* recordsIn(
  pieces: AsyncIterable<Lines>,
  delimiter: string,
): AsyncGenerator<DelimitedRecord[]> {
  if (delimiter === ',') {
    yield* recordsOf(pieces, delimiter)
    return
  }
  for await (const { first, lines } of pieces) {
    yield lines.flatMap((line, n) =>
      line === '' ? [] : { line: first + n, cells: line.split('|'), text: line },
    )
  }
}

class FtdReader {
  readonly #file: string
  #read = 0
  #promised: number | null = null

  constructor(file: string) {
    this.#file = file
  }

  /** Null for what is no record: the head and the last lines. */
  itemOf({ line, cells, text }: DelimitedRecord): Item | null {
    if (trailer.test(text)) {
      this.#promised = Number(trailerCount.exec(text)?.[1] ?? this.#promised ?? Number.NaN)
      return null
    }
    if (head.test(text) || text.trim() === '') return null
    this.#read += 1
    const place = { file: this.#file, line }
    const [date = '', rawCusip = '', rawSymbol = '', , rawName = ''] = cells
    if (cells.length < 5) return reject(place, `it has ${cells.length} cells where such a line has 6`, text)
    const from = parseDay(date.trim())
    if (from === null) return reject(place, `its date ${shown(date)} is none`, text)
    const value = normalizeCusip(rawCusip)
    if (value === null) {
      return reject(place, `${shown(rawCusip)} is no CUSIP: the length or the check digit is wrong`, text)
    }
    const ticker = rawSymbol.trim()
    if (ticker === '') return reject(place, 'it has no symbol', text)
    if (placeholder.test(ticker)) {
      return reject(place, `${shown(ticker)} is the SEC's own placeholder, not a ticker`, text)
    }
    if (!isTicker(ticker)) return reject(place, `${shown(ticker)} is no ticker`, text)
    const name = storable(rawName)
    return {
      kind: 'sighting',
      type: 'CUSIP',
      value,
      ticker: ownCopy(ticker),
      from,
      until: nextDay(from),
      heldAt: null,
      details: name === '' ? null : { name },
      source: 'sec_ftd',
    }
  }

  /** What speaks against having read the whole file. */
  problem(): string | null {
    const read = this.#read.toLocaleString('en-US')
    if (this.#promised === null)
      return `has no "Trailer record count" at its end: it may be cut off after ${read} records.`
    if (Number.isNaN(this.#promised) || this.#promised === this.#read) return null
    return `is not whole: it says that it has ${this.#promised.toLocaleString('en-US')} records, and ${read} are in it.`
  }
}
