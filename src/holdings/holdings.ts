import { cleanIdentifier, type Identifier, type IdentifierType } from '../identifiers.ts'
import { identifierOf } from '../import/sightings.ts'
import { plainCell } from '../import/spreadsheets.ts'

/** What is said of a file's columns by whoever wants it read. */
export interface Wanted {
  /** Columns with identifiers, by their names or their numbers from 1; none: they are told from names and content. */
  readonly columns: readonly string[]
  /** The column with each row's own date. */
  readonly dateColumn?: string | undefined
}

export interface IdentifierColumn {
  /** From 0. */
  readonly place: number
  readonly name: string
  /** By its name or content; null where it may hold either. */
  readonly type: IdentifierType | null
}

/**
 * `row`: one holding. `head`: the line that names the columns. `between`: blank lines, comments and the like, which only
 * pass through. `broken`: no JSON object.
 */
export type RowKind = 'row' | 'head' | 'between' | 'broken'

export interface HoldingRow {
  readonly kind: RowKind
  /** Where it begins, from 1. */
  readonly line: number
  /** As it stands in the file, without its line end. */
  readonly text: string
  /** The texts of the identifier columns, in their order; '' where there is none. */
  readonly identifiers: readonly string[]
  /** The text of the date column; null where none is wanted. */
  readonly date: string | null
  /** How many cells it has; of an object 0. */
  readonly width: number
  /** Whether a quote in it is never closed. */
  readonly isUnclosed?: boolean
}

/** A file of holdings: a table or JSON lines, of any size, read as often as need be. */
export interface Holdings {
  readonly name: string
  readonly format: 'table' | 'jsonl'
  /** What divides the cells of a table. */
  readonly delimiter: string
  readonly lineEnd: string
  /** Whether the file begins with a byte order mark, as Excel needs it. */
  readonly isMarked: boolean
  /** The columns of a table, numbers where it has no head; of JSON lines the keys of the first objects. */
  readonly names: readonly string[]
  readonly hasHead: boolean
  /** Where the identifiers are: CUSIPs first. */
  readonly columns: readonly IdentifierColumn[]
  /** In the order of the file. Throws an ImportError where it cannot be read on. */
  rows(reading?: Reading): AsyncGenerator<HoldingRow[]>
}

export interface Reading {
  /** Told how many more bytes of the file, as it lies on the disk, have been read. */
  onBytes?(count: number): void
  /** Told what is odd about the file without keeping it from being read. */
  onWarning?(sentence: string): void
}

/** The identifier in a cell, its type told from the value; null where there is none. */
export function identifierIn(cell: string): Identifier | null {
  return cell === '' ? null : identifierOf(undefined, plainCell(cell))
}

/** Whether a cell has the form of a CUSIP or ISIN, whatever its check digit. */
export function isLikeIdentifier(cell: string): boolean {
  const clean = cleanIdentifier(plainCell(cell.trim()))
  return /\d/.test(clean) && /^(?:[0-9A-Z*@#]{9}|[A-Z]{2}[0-9A-Z]{10})$/.test(clean)
}
