import { CsvError, parse } from 'csv-parse/sync'
import { type Lines, longestRecord } from './lines.ts'

/** A record of a delimited text: its cells, and the line where it begins. */
export interface DelimitedRecord {
  readonly line: number
  readonly cells: string[]
  /** As it stands in the file, but for the end of its last line. */
  readonly text: string
}

export interface RecordOptions {
  /** Whether a blank line is a record, of one empty cell. Default false. */
  readonly keepsBlank?: boolean
}

/** A quoted cell may hold line breaks; one that is never closed must not swallow the file. */
const mostLinesOfARecord = 100

/**
 * The records of lines by RFC 4180: cells may be in double quotes, a quote in them is doubled. A line without any quote, as
 * nearly all are, is merely split: many times as fast as a parser that looks at every byte. Going by lines, a quote that is
 * never closed costs its own line and not the rest of the file. A CR that ends a record is half of its line's end.
 */
export async function* recordsOf(
  pieces: AsyncIterable<Lines>,
  delimiter: string,
  { keepsBlank = false }: RecordOptions = {},
): AsyncGenerator<DelimitedRecord[]> {
  let records: DelimitedRecord[] = []
  let open: { line: number; lines: string[] } | null = null
  const take = (line: number, given: string) => {
    if (open === null) {
      if (!given.includes('"')) {
        const text = withoutReturn(given)
        if (text !== '' || keepsBlank) records.push({ line, cells: text.split(delimiter), text })
        return
      }
      open = { line, lines: [] }
    }
    open.lines.push(given)
    const whole = withoutReturn(open.lines.length === 1 ? given : open.lines.join('\n'))
    const cells = cellsOf(whole, delimiter)
    if (cells !== null) {
      records.push({ line: open.line, cells, text: whole })
      open = null
    } else if (open.lines.length === mostLinesOfARecord || whole.length > longestRecord) giveUp()
  }
  /** A quote that is never closed was none: its line stands for itself, and the others are looked at anew. */
  const giveUp = () => {
    const { line, lines } = open ?? { line: 0, lines: [] }
    open = null
    for (const [n, given] of lines.entries()) {
      const text = withoutReturn(given)
      if (n === 0) records.push({ line, cells: text.split(delimiter), text })
      else take(line + n, given)
    }
  }
  for await (const { first, lines } of pieces) {
    for (const [n, text] of lines.entries()) take(first + n, text)
    yield records
    records = []
  }
  while (open !== null) giveUp()
  yield records
}

function withoutReturn(text: string): string {
  return text.charCodeAt(text.length - 1) === 13 ? text.slice(0, -1) : text
}

/** The cells of a line that is a record of its own; where a quote is open at its end, quotes are characters. */
export function cellsOfLine(text: string, delimiter: string): string[] {
  return cellsOf(text, delimiter) ?? text.split(delimiter)
}

/**
 * Null where a quote is still open at the end. A quote inside a cell that does not begin with one is a character. What is
 * odd (`"a"b`) is left to csv-parse; calling it for every line with a quote would take ten times as long.
 */
function cellsOf(text: string, delimiter: string): string[] | null {
  const cells: string[] = []
  for (let begin = 0; ; ) {
    if (text.charCodeAt(begin) !== quote) {
      const end = text.indexOf(delimiter, begin)
      if (end === -1) return cells.concat(text.slice(begin))
      cells.push(text.slice(begin, end))
      begin = end + delimiter.length
      continue
    }
    let close = text.indexOf('"', begin + 1)
    while (close !== -1 && text.charCodeAt(close + 1) === quote) close = text.indexOf('"', close + 2)
    if (close === -1) return null
    cells.push(text.slice(begin + 1, close).replaceAll('""', '"'))
    if (close + 1 === text.length) return cells
    if (!text.startsWith(delimiter, close + 1)) return parsed(text, delimiter)
    begin = close + 1 + delimiter.length
  }
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
