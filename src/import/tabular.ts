import { ImportError } from '../errors/import_error.ts'
import { cellsOfLine, type DelimitedRecord, recordsOf } from './delimited.ts'
import { type Field, type Fields, fieldsOfColumns } from './fields.ts'
import { LongLines, linesOf } from './lines.ts'
import { type Item, type ReadOptions, reject } from './records.ts'
import { SightingMaker } from './sightings.ts'
import type { Source } from './source.ts'
import { delimiterNamed, delimiters, plainCell } from './spreadsheets.ts'
import { textOf } from './text.ts'

/** The sightings of a table with named columns, whatever divides them. Throws an ImportError where columns are missing. */
export async function* readTabular(source: Source, options: ReadOptions): AsyncGenerator<Item[]> {
  const long = new LongLines(source.name)
  const pieces = linesOf(textOf(source, options), long)
  const header = await headerOf(source)
  const dates = { stated: options.observedAt ?? null, modifiedAt: Math.min(source.modifiedAt, options.now) }
  const maker = new SightingMaker(options, dates)
  for await (const records of recordsOf(pieces, header.delimiter)) {
    const items: Item[] = long.take()
    for (const record of records)
      if (record.line > header.line) items.push(...itemsOf(record, header, source, maker))
    yield items
  }
}

interface Header {
  readonly line: number
  readonly delimiter: string
  readonly width: number
  /** By column; null for columns that mean nothing to us, or mean what a better named one does. */
  readonly fields: readonly (Field | null)[]
}

function itemsOf(
  record: DelimitedRecord,
  { width, fields }: Header,
  source: Source,
  maker: SightingMaker,
): Item[] {
  const { cells, line, text } = record
  const origin = { place: { file: source.name, line }, text: () => text }
  const hasMore = cells.length > width && cells.slice(width).some((cell) => cell.trim() !== '')
  if (cells.length < width || hasMore) {
    if (text.trim() === '' || text.startsWith('#')) return []
    return [
      reject(origin.place, `it has ${cells.length} cells, and the head of the table has ${width}`, text),
    ]
  }
  const row: Fields = {}
  let isEmpty = true
  for (let column = 0; column < width; column += 1) {
    const field = fields[column]
    if (!field) continue
    const cell = plainCell(cells[column] ?? '')
    if (cell !== '') isEmpty = false
    row[field] = cell
  }
  return isEmpty ? [] : maker.ofFields(row, origin)
}

/** The first line that is not blank, no comment and not Excel's `sep=;`. */
async function headerOf(source: Source): Promise<Header> {
  let candidates = delimiters
  for await (const { first, lines } of linesOf(textOf(source))) {
    for (const [n, line] of lines.entries()) {
      if (line.trim() === '' || line.startsWith('#')) continue
      const delimiter = delimiterNamed(line)
      if (delimiter === null) return headerIn(line, first + n, source, candidates)
      candidates = [delimiter]
    }
  }
  throw new ImportError(source.name, 'is empty.')
}

function headerIn(text: string, line: number, source: Source, candidates: readonly string[]): Header {
  const headers = candidates.map((delimiter) => headerWith(delimiter, text, line))
  const best = headers.reduce((a, b) => (understood(b.header) > understood(a.header) ? b : a))
  const has = (field: Field) => best.header.fields.includes(field)
  const hasIdentifier = has('identifier') || has('cusip') || has('isin')
  if (hasIdentifier && has('ticker')) return best.header
  const missing = [
    ...(hasIdentifier ? [] : ['the identifier']),
    ...(has('ticker') ? [] : ['the ticker']),
  ].join(' and ')
  const found = best.names.map((name) => JSON.stringify(name.slice(0, 40))).slice(0, 20)
  throw new ImportError(
    source.name,
    `has no column for ${missing}. Its first line names ${found.join(', ')}; needed are ticker, and cusip, isin or value; type, start, end, date, name and figi may be there.`,
  )
}

const understood = ({ fields }: Header) => fields.filter((field) => field !== null).length

function headerWith(
  delimiter: string,
  text: string,
  line: number,
): { header: Header; names: readonly string[] } {
  const names = cellsOfLine(text, delimiter)
  const fields = fieldsOfColumns(names.map((name) => plainCell(name.trim())))
  return { header: { line, delimiter, width: names.length, fields }, names }
}
