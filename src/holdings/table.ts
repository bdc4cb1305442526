import { type DelimitedRecord, recordsOf } from '../import/delimited.ts'
import { fieldsOfColumns } from '../import/fields.ts'
import { delimiterNamed, delimiters, plainCell } from '../import/spreadsheets.ts'
import type { Beginning } from './beginning.ts'
import { identifierColumns, placeOf } from './columns.ts'
import {
  type HoldingRow,
  type Holdings,
  identifierIn,
  isLikeIdentifier,
  type Reading,
  type RowKind,
  type Wanted,
} from './holdings.ts'
import { endOf, firstLinesOf, linesOfFile } from './lines_of_file.ts'

const sampleSize = 1_000

/** Of a record; its length is limited as well. */
const mostLines = 10_000

/** So many unclosed quotes are told one by one. */
const mostTold = 10

/** What a spreadsheet has in a cell where a formula failed: no comment. */
const failedFormula = /^#(?:N\/A|REF!|VALUE!|NAME\?|DIV\/0!|NUM!|NULL!|SPILL!|CALC!)/

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
    text.startsWith('#') && !failedFormula.test(text) && (names.length === 1 || cells.length < names.length)
  const kindOf = (record: DelimitedRecord): RowKind => {
    if (record.line === headLine && hasHead) return 'head'
    const isBetween = record.line < headLine || record.text.trim() === '' || isComment(record)
    return isBetween ? 'between' : 'row'
  }
  const rowOf = (record: DelimitedRecord): HoldingRow => {
    const { line, text, cells, isUnclosed = false } = record
    return {
      kind: kindOf(record),
      line,
      text,
      identifiers: places.map((place) => cells[place] ?? ''),
      date: dateColumn === null ? null : plainCell(cells[dateColumn] ?? ''),
      width: cells.length,
      isUnclosed,
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
      let told = 0
      const tell = ({ line, isUnclosed }: DelimitedRecord) => {
        if (!isUnclosed || told === mostTold) return
        told += 1
        reading?.onWarning?.(`${source.name}, line ${line}: a quote is never closed.`)
      }
      const options = { keepsBlank: true, mostLines, lineEnd: endOf(lineEnd) }
      for await (const records of recordsOf(lines, delimiter, options)) {
        records.forEach(tell)
        yield records.map(rowOf)
      }
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
  const options = { mostLines, lineEnd: endOf(file.lineEnd) }
  for (const delimiter of await candidatesIn(file)) {
    const records: DelimitedRecord[] = []
    for await (const some of recordsOf(firstLinesOf(file), delimiter, options)) {
      for (const record of some) if (record.text.trim() !== '' && !isPreamble(record)) records.push(record)
    }
    const score = scoreOf(records[0]?.cells ?? [], wanted)
    if (score > best.score) best = { delimiter, records: records.slice(0, sampleSize), score }
  }
  return best
}

/** Decimal commas make more cells, but no more identifiers. */
function scoreOf(cells: readonly string[], wanted: Wanted): number {
  const names = namesIn(cells)
  const asked = names.filter(
    (name) => isAskedFor(name, wanted) || (name === wanted.dateColumn && !isNumber(name)),
  ).length
  const understood = fieldsOfColumns(names).filter((field) => field !== null).length
  const identifiers = cells.filter((cell) => identifierIn(cell.trim()) !== null).length
  return asked * 100_000_000 + (understood + identifiers) * 10_000 + Math.min(cells.length, 9_999)
}

/** A number among the wanted columns may be a column's place, and so proves no head by standing in it. */
function isAskedFor(name: string, { columns }: Wanted): boolean {
  return columns.includes(name) && !isNumber(name)
}

const isNumber = (name: string) => /^\d{1,6}$/.test(name)

const namesIn = (cells: readonly string[]) => cells.map((cell) => plainCell(cell.trim()))

/**
 * A line that names a column we want or know is a head, whatever else is in it; else one without an identifier. In a list
 * what merely looks like one, as with a typo, is no head either.
 */
function isHead(cells: readonly string[], wanted: Wanted): boolean {
  const names = namesIn(cells)
  if (namesIdentifiers(names) || names.some((name) => isAskedFor(name, wanted))) return true
  if (cells.length === 1 && cells.some(isLikeIdentifier)) return false
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

function namesIdentifiers(names: readonly string[]): boolean {
  return fieldsOfColumns(names).some((field) => field === 'cusip' || field === 'isin')
}

/** Comments and Excel's own line; no comment is a head whose first column is called `#`, or `#` and a word. */
function isPreamble({ text, cells }: DelimitedRecord): boolean {
  if (delimiterNamed(text) !== null) return true
  if (!text.startsWith('#')) return false
  const [first = '', ...others] = namesIn(cells)
  return !/^#\w*$/.test(first) || !namesIdentifiers(others)
}
