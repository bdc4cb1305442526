import type { HoldingRow, Holdings } from '../holdings/holdings.ts'
import { safeCell } from '../import/spreadsheets.ts'
import type { Answer } from './answer.ts'

/** What enriching adds, in this order. */
const added = ['ticker', 'name', 'figi', 'status'] as const

const prefix = 'pgfigi_'

/** Writes rows as they stood in the file, with what is added behind. */
export interface Columns {
  /** What is added is called so: with a prefix where the file has a column of that name. */
  readonly names: readonly string[]
  head(row: HoldingRow): string
  row(row: HoldingRow, answer: Answer): string
}

export function addedColumns(holdings: Holdings): Columns {
  const names = added.map((name) => nameFor(name, holdings.names))
  return holdings.format === 'table' ? ofTable(names, holdings) : ofJsonLines(names)
}

function nameFor(name: string, taken: readonly string[]): string {
  const isTaken = taken.some((other) => other.toLowerCase() === name)
  return isTaken ? nameFor(`${prefix}${name}`, taken) : name
}

/** A row that is too short gets the cells that it lacks, so that what is added stands in its own columns. */
function ofTable(names: readonly string[], { delimiter, names: columns }: Holdings): Columns {
  const needsQuotes = new RegExp(`["\\r\\n${delimiter.replace(/[\\\]^-]/, '\\$&')}]`)
  const cell = (value: string | null) => {
    if (value === null || value === '') return delimiter
    const safe = safeCell(value)
    return delimiter + (needsQuotes.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe)
  }
  const whole = ({ text, width }: HoldingRow) =>
    width < columns.length ? text + delimiter.repeat(columns.length - width) : text
  return {
    names,
    head: (row) => [whole(row), ...names].join(delimiter),
    row: (row, { ticker, name, figi, status }) =>
      whole(row) + cell(ticker) + cell(name) + cell(figi) + delimiter + status,
  }
}

/** The line itself with more properties before its last brace: numbers, blanks and all else stay as they were. */
function ofJsonLines(names: readonly string[]): Columns {
  const keys = names.map((name) => JSON.stringify(name))
  return {
    names,
    head: ({ text }) => text,
    row({ text }, answer) {
      const body = text.slice(0, -1)
      const first = body.trim() === '{' ? '' : ','
      const properties = added.map(
        (column, n) => `${keyIn(text, keys[n] ?? '')}:${JSON.stringify(answer[column])}`,
      )
      return `${body}${first}${properties.join(',')}}`
    },
  }
}

/** Objects may differ in their keys: one of the same name further down the file keeps its own. */
function keyIn(text: string, key: string): string {
  if (!text.includes(key)) return key
  const taken = Object.keys(JSON.parse(text))
  return JSON.stringify(nameFor(JSON.parse(key), taken))
}
