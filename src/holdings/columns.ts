import { ColumnError } from '../errors/column_error.ts'
import { fieldsOfColumns } from '../import/fields.ts'
import { type IdentifierColumn, identifierIn, type Wanted } from './holdings.ts'

/** What is known of a file's columns from its beginning. */
export interface Sample {
  readonly file: string
  readonly names: readonly string[]
  /** Texts by column. */
  readonly rows: readonly (readonly string[])[]
}

/** A column holds identifiers where at least so many of its cells, blank ones apart, are some. */
const enough = 0.5

/**
 * The columns with identifiers, CUSIPs first: those that are wanted, else those that are called CUSIP or ISIN, else those
 * that hold them. Throws a ColumnError where there is none, or nobody can tell which is meant.
 */
export function identifierColumns(sample: Sample, { columns }: Wanted): IdentifierColumn[] {
  const fields = fieldsOfColumns(sample.names)
  const places = columns.map((wanted) => placeOf(wanted, sample))
  const typed = (place: number): IdentifierColumn => {
    const field = fields[place]
    const type = field === 'cusip' ? 'CUSIP' : field === 'isin' ? 'ISIN' : null
    return { place, name: sample.names[place] ?? '', type }
  }
  if (places.length > 0) return cusipsFirst([...new Set(places)].map(typed))
  const named = [fields.indexOf('cusip'), fields.indexOf('isin')].filter((place) => place >= 0)
  return named.length > 0 ? named.map(typed) : cusipsFirst(columnsByContent(sample))
}

/** The place of a column by its name, in any spelling of it, or its number. Throws a ColumnError where there is none. */
export function placeOf(wanted: string, { file, names }: Sample): number {
  const exact = names.indexOf(wanted)
  if (exact >= 0) return exact
  const close = names.flatMap((name, place) => (squashed(name) === squashed(wanted) ? [place] : []))
  const [first, second] = close
  if (first !== undefined && second === undefined) return first
  const number = /^\d{1,6}$/.test(wanted) ? Number(wanted) : 0
  if (number >= 1 && number <= names.length) return number - 1
  const problem = second === undefined ? 'has no column' : 'has several columns'
  throw new ColumnError(file, `${problem} ${JSON.stringify(wanted)}. ${listed(names)}`, names)
}

function columnsByContent(sample: Sample): IdentifierColumn[] {
  const { file, names } = sample
  const found = names.flatMap((name, place) => {
    const column = contentOf(name, place, sample)
    return column === null ? [] : [column]
  })
  const [first, second, third] = found
  if (first && (!second || (!third && first.type && second.type && first.type !== second.type))) return found
  const called = found.map(({ name }) => JSON.stringify(name)).join(', ')
  const problem = first
    ? `has identifiers in several columns (${called}): name one with --column.`
    : 'has no column of CUSIPs or ISINs that can be told from its name or its content: name one with --column.'
  throw new ColumnError(file, `${problem} ${listed(names)}`, names)
}

function contentOf(name: string, place: number, { rows }: Sample): IdentifierColumn | null {
  const counts = { CUSIP: 0, ISIN: 0, other: 0 }
  for (const row of rows) {
    const cell = row[place]?.trim() ?? ''
    if (cell !== '') counts[identifierIn(cell)?.type ?? 'other'] += 1
  }
  const valid = counts.CUSIP + counts.ISIN
  if (valid === 0 || valid < enough * (valid + counts.other)) return null
  return { place, name, type: counts.ISIN === 0 ? 'CUSIP' : counts.CUSIP === 0 ? 'ISIN' : null }
}

function cusipsFirst(columns: IdentifierColumn[]): IdentifierColumn[] {
  const rank = ({ type }: IdentifierColumn) => (type === 'CUSIP' ? 0 : 1)
  return columns.toSorted((a, b) => rank(a) - rank(b))
}

const squashed = (name: string) => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '')

const mostListed = 50

function listed(names: readonly string[]): string {
  const shown = names.slice(0, mostListed).map((name) => JSON.stringify(name.slice(0, 40)))
  return `Its columns are ${shown.join(', ')}${names.length > mostListed ? ', ...' : ''}.`
}
