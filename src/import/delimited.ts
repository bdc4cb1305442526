import { CsvError, parse } from 'csv-parse/sync'
import { type Lines, longestRecord } from './lines.ts'

/** A record of a delimited text: its cells, and the line where it begins. */
export interface DelimitedRecord {
  readonly line: number
  readonly cells: string[]
  /** As it stands in the file. */
  readonly text: string
}

/** A quoted cell may hold line breaks; one that is never closed must not swallow the file. */
const mostLinesOfARecord = 100

/**
 * The records of lines by RFC 4180: cells may be in double quotes, a quote in them is doubled. A line without any quote, as
 * nearly all are, is merely split: many times as fast as a parser that looks at every byte. Going by lines, a quote that is
 * never closed costs its own line and not the rest of the file.
 */
export async function* recordsOf(
  pieces: AsyncIterable<Lines>,
  delimiter: string,
): AsyncGenerator<DelimitedRecord[]> {
  let records: DelimitedRecord[] = []
  let open: { line: number; lines: string[] } | null = null
  const take = (line: number, text: string) => {
    if (open === null) {
      if (!text.includes('"')) {
        if (text !== '') records.push({ line, cells: text.split(delimiter), text })
        return
      }
      open = { line, lines: [] }
    }
    open.lines.push(text)
    const whole = open.lines.join('\n')
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
    for (const [n, text] of lines.entries()) {
      if (n === 0) records.push({ line, cells: text.split(delimiter), text })
      else take(line + n, text)
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

/** Null where a quote is still open at the end. A quote inside a cell that does not begin with one is a character. */
function cellsOf(text: string, delimiter: string): string[] | null {
  try {
    const [cells] = parse(text, { delimiter, relax_quotes: true, relax_column_count: true })
    return cells ?? []
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    return error.code === 'CSV_QUOTE_NOT_CLOSED' ? null : text.split(delimiter)
  }
}
