import { type DelimitedRecord, recordsOf } from '../import/delimited.ts'
import { fieldsOfColumns } from '../import/fields.ts'
import { delimiterNamed, delimiters, plainCell } from '../import/spreadsheets.ts'
import { identifierColumns, placeOf } from './columns.ts'
import {
  type HoldingRow,
  type Holdings,
  identifierIn,
  type Reading,
  type RowKind,
  type Wanted,
} from './holdings.ts'
import { firstLinesOf, linesOfFile } from './lines_of_file.ts'
import type { Beginning } from './open_holdings.ts'

const sampleSize = 1_000

/**
 * A table, whatever divides its cells, or a plain list of identifiers. Its first line is its head, unless it holds an
 * identifier: then its columns are called 1, 2 and so on.
 */
export async function openTable(file: Beginning, wanted: Wanted): Promise<Holdings> {
  const { source, lineEnd, isMarked } = file
  const { delimiter, records } = await beginningIn(file, wanted)
  const [first] = records
  const cells = first?.cells ?? []
  const hasHead = isHead(cells, wanted)
  const names = hasHead ? namesIn(cells) : cells.map((_, place) => String(place + 1))
  const rows = (hasHead ? records.slice(1) : records).map((record) => record.cells)
  const sample = { file: source.name, names, rows }
  const columns = identifierColumns(sample, wanted)
  const dateColumn = wanted.dateColumn === undefined ? null : placeOf(wanted.dateColumn, sample)
  const places = columns.map(({ place }) => place)
  const headLine = first?.line ?? 0

  const isComment = ({ text, cells }: DelimitedRecord) =>
    text.startsWith('#') && (names.length === 1 || cells.length < names.length)
  const kindOf = (record: DelimitedRecord): RowKind => {
    if (record.line === headLine && hasHead) return 'head'
    const isBetween = record.line < headLine || record.text.trim() === '' || isComment(record)
    return isBetween ? 'between' : 'row'
  }
  const rowOf = (record: DelimitedRecord): HoldingRow => {
    const { line, text, cells } = record
    return {
      kind: kindOf(record),
      line,
      text,
      identifiers: places.map((place) => cells[place] ?? ''),
      date: dateColumn === null ? null : plainCell(cells[dateColumn] ?? ''),
      width: cells.length,
    }
  }
  return {
    name: source.name,
    format: 'table',
    delimiter,
    lineEnd,
    isMarked,
    names,
    hasHead,
    columns,
    async *rows(reading?: Reading) {
      const lines = linesOfFile(file, reading)
      for await (const records of recordsOf(lines, delimiter, { keepsBlank: true })) yield records.map(rowOf)
    },
  }
}

interface BeginningOfTable {
  readonly delimiter: string
  /** From the first on that is not blank, no comment and not Excel's `sep=;`. */
  readonly records: readonly DelimitedRecord[]
}

/** By the delimiter that finds most columns that are wanted or known, else the most columns. */
async function beginningIn(file: Beginning, wanted: Wanted): Promise<BeginningOfTable> {
  let best: BeginningOfTable & { score: number } = { delimiter: ',', records: [], score: -1 }
  for (const delimiter of await candidatesIn(file)) {
    const records: DelimitedRecord[] = []
    for await (const some of recordsOf(firstLinesOf(file), delimiter)) {
      records.push(...some.filter(({ text }) => text.trim() !== '' && !isPreamble(text)))
    }
    const score = scoreOf(records[0]?.cells ?? [], wanted)
    if (score > best.score) best = { delimiter, records: records.slice(0, sampleSize), score }
  }
  return best
}

function scoreOf(cells: readonly string[], { columns, dateColumn = '' }: Wanted): number {
  const names = namesIn(cells)
  const asked = names.filter((name) => columns.includes(name) || name === dateColumn).length
  const understood = fieldsOfColumns(names).filter((field) => field !== null).length
  return asked * 1_000_000 + understood * 10_000 + Math.min(cells.length, 9_999)
}

const namesIn = (cells: readonly string[]) => cells.map((cell) => plainCell(cell.trim()))

/** A line that names a column we want or know is a head, whatever else is in it; else one without an identifier. */
function isHead(cells: readonly string[], wanted: Wanted): boolean {
  const names = namesIn(cells)
  const isNamed = fieldsOfColumns(names).some((field) => field === 'cusip' || field === 'isin')
  if (isNamed || names.some((name) => wanted.columns.includes(name))) return true
  return cells.every((cell) => identifierIn(cell.trim()) === null)
}

async function candidatesIn(file: Beginning): Promise<readonly string[]> {
  for await (const { lines } of firstLinesOf(file)) {
    for (const line of lines) {
      const text = line.replace(/\r$/, '')
      const named = delimiterNamed(text)
      if (named !== null) return [named]
      if (text.trim() !== '' && !text.startsWith('#')) return delimiters
    }
  }
  return delimiters
}

function isPreamble(text: string): boolean {
  return text.startsWith('#') || delimiterNamed(text) !== null
}
