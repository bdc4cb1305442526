import { CsvError, parse } from 'csv-parse/sync'
import { type Lines, longestRecord } from './lines.ts'

/** A record of a delimited text: its cells, and the line where it begins. */
export interface DelimitedRecord {
  readonly line: number
  readonly cells: string[]
  /** As it stands in the file, but for the end of its last line. */
  readonly text: string
  /** Whether a quote in it is never closed. */
  readonly isUnclosed?: boolean
}

export interface RecordOptions {
  /** Whether a blank line is a record, of one empty cell. Default false. */
  readonly keepsBlank?: boolean
  /** A quoted cell may hold line breaks; one that is never closed must not swallow the file. Default 100. */
  readonly mostLines?: number
  /** What the lines were divided by, and so what stands between those of one cell. Default LF. */
  readonly lineEnd?: '\n' | '\r'
}

/** A record whose last cell is still open. */
interface OpenRecord {
  readonly line: number
  readonly lines: string[]
  /** In characters. */
  length: number
  /** Those before the open one. */
  readonly cells: string[]
  /** The open one as far as it has been read, by lines. */
  parts: string[]
}

/**
 * The records of lines by RFC 4180: cells may be in double quotes, a quote in them is doubled. A line without any quote, as
 * nearly all are, is merely split: many times as fast as a parser that looks at every byte. Going by lines, a quote that is
 * never closed costs its own line and not the rest of the file; so does one that a later line would close in the midst of a
 * cell. No line is looked at more than three times. A CR that ends a record is half of its line's end.
 */
export async function* recordsOf(
  pieces: AsyncIterable<Lines>,
  delimiter: string,
  { keepsBlank = false, mostLines = 100, lineEnd = '\n' }: RecordOptions = {},
): AsyncGenerator<DelimitedRecord[]> {
  let records: DelimitedRecord[] = []
  let open: OpenRecord | null = null
  const begin = (line: number, given: string, isNeverClosed = false) => {
    const text = withoutReturn(given)
    if (!text.includes('"')) {
      if (text !== '' || keepsBlank) records.push({ line, cells: text.split(delimiter), text })
      return
    }
    const cells: string[] = []
    const end = addCells(cells, text, delimiter)
    if (end === 'whole') records.push({ line, cells, text })
    else if (end === 'odd')
      records.push({ line, text, ...plainUnless(parsed(text, delimiter), text, delimiter) })
    else if (isNeverClosed) records.push({ line, text, ...plainUnless(null, text, delimiter) })
    else open = { line, lines: [given], length: given.length, cells, parts: [given.slice(end)] }
  }
  const goOn = (record: OpenRecord, given: string) => {
    const { line, lines, cells, parts } = record
    const text = withoutReturn(given)
    lines.push(given)
    record.length += given.length + 1
    const close = closeIn(text, 0)
    if (close === -1) parts.push(given)
    else {
      const isLast = close + 1 === text.length
      if (!isLast && !text.startsWith(delimiter, close + 1)) return giveUp(record, 'odd')
      cells.push([...parts, text.slice(0, close)].join(lineEnd).replaceAll('""', '"'))
      const end = isLast ? 'whole' : addCells(cells, text, delimiter, close + 1 + delimiter.length)
      if (end === 'whole' || end === 'odd') {
        const whole = withoutReturn(lines.join(lineEnd))
        const all = end === 'whole' ? cells : parsed(whole, delimiter)
        if (all === null) return giveUp(record, 'odd')
        records.push({ line, cells: all, text: whole })
        open = null
        return
      }
      record.parts = [given.slice(end)]
    }
    if (lines.length >= mostLines || record.length > longestRecord) giveUp(record, 'long')
  }
  /**
   * A quote that is never closed was none: its line stands for itself, and the others are looked at anew. Where one of
   * those is left open as well, it would go the same way; only the last of an odd record was not open at its end.
   */
  const giveUp = ({ line, lines }: OpenRecord, why: 'odd' | 'long') => {
    open = null
    for (const [n, given] of lines.entries()) begin(line + n, given, why === 'long' || n < lines.length - 1)
  }
  const take = (line: number, given: string) => (open === null ? begin(line, given) : goOn(open, given))
  const finish = () => open !== null && giveUp(open, 'long')
  for await (const { first, lines } of pieces) {
    for (const [n, text] of lines.entries()) take(first + n, text)
    yield records
    records = []
  }
  finish()
  yield records
}

/** The cells of a line; null, where a quote in it is never closed: then quotes are characters. */
function plainUnless(cells: string[] | null, text: string, delimiter: string) {
  return cells === null ? { cells: text.split(delimiter), isUnclosed: true } : { cells }
}

function withoutReturn(text: string): string {
  return text.charCodeAt(text.length - 1) === 13 ? text.slice(0, -1) : text
}

/** The cells of a line that is a record of its own; where a quote is open at its end, quotes are characters. */
export function cellsOfLine(text: string, delimiter: string): string[] {
  const cells: string[] = []
  const end = addCells(cells, text, delimiter)
  if (end === 'whole') return cells
  return (end === 'odd' ? parsed(text, delimiter) : null) ?? text.split(delimiter)
}

/**
 * Adds the cells of a text, read from a cell's beginning. Where a quote is open at the end, it gives the place behind it. A
 * quote inside a cell that does not begin with one is a character. What is odd (`"a"b`) is left to csv-parse; calling it
 * for every line with a quote would take ten times as long.
 */
function addCells(cells: string[], text: string, delimiter: string, from = 0): 'whole' | 'odd' | number {
  for (let begin = from; ; ) {
    if (text.charCodeAt(begin) !== quote) {
      const end = text.indexOf(delimiter, begin)
      cells.push(end === -1 ? text.slice(begin) : text.slice(begin, end))
      if (end === -1) return 'whole'
      begin = end + delimiter.length
      continue
    }
    const close = closeIn(text, begin + 1)
    if (close === -1) return begin + 1
    cells.push(text.slice(begin + 1, close).replaceAll('""', '"'))
    if (close + 1 === text.length) return 'whole'
    if (!text.startsWith(delimiter, close + 1)) return 'odd'
    begin = close + 1 + delimiter.length
  }
}

/** The quote that closes a cell, which is no doubled one; -1 where there is none. */
function closeIn(text: string, from: number): number {
  let close = text.indexOf('"', from)
  while (close !== -1 && text.charCodeAt(close + 1) === quote) close = text.indexOf('"', close + 2)
  return close
}

const quote = 34

function parsed(text: string, delimiter: string): string[] | null {
  try {
    const [cells] = parse(text, { delimiter, relax_quotes: true, relax_column_count: true })
    return cells ?? []
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    return error.code === 'CSV_QUOTE_NOT_CLOSED' ? null : text.split(delimiter)
  }
}
