import type { IdentifierType } from '../identifiers.ts'
import type { Sql } from './connect.ts'

/** What else a source says about a security, by the names of the columns of security_mappings. */
export type Details = Readonly<Record<string, string>>

/** What figi_private.record_sightings keeps of one record. Instants are milliseconds since 1970, UTC. */
export interface SightingRow {
  readonly type: IdentifierType
  /** Normalised. */
  readonly value: string
  /** Null: the source says that there is none. */
  readonly ticker: string | null
  /** Null only for a negative of which nobody knows when it was seen. */
  readonly from: number | null
  /** Exclusive. Null: a single observation, at `from`. */
  readonly until: number | null
  /** When the source said that this is the current answer; null where it speaks of that time alone. */
  readonly heldAt: number | null
  readonly details: Details | null
}

export interface Recorded {
  /** Records that said something new. */
  readonly imported: number
  readonly unchanged: number
  /** Of all, those that do not show in the history, by the rules of docs/importing.md. */
  readonly excluded: number
}

/** What became of one row of a dump; place counts from 1. */
export interface Restored {
  readonly place: number
  readonly outcome: 'imported' | 'unchanged' | 'rejected'
  readonly reason: string | null
}

/** Keeps what a file says, in one transaction. Doing it again changes nothing. */
export async function recordSightings(
  sql: Sql,
  rows: readonly SightingRow[],
  source: 'import' | 'sec_ftd',
): Promise<Recorded> {
  const array = (cellOf: (row: SightingRow) => string) => `{${rows.map(cellOf).join(',')}}`
  const [recorded] = await sql<Record<keyof Recorded, string>[]>`
    select imported, unchanged, excluded
    from figi_private.record_sightings(
      ${array(({ type }) => type)}::text::text[],
      ${array(({ value }) => value)}::text::text[],
      ${array(({ ticker }) => quoted(ticker))}::text::text[],
      ${array(({ from }) => instantOf(from))}::text::timestamptz[],
      ${array(({ until }) => instantOf(until))}::text::timestamptz[],
      ${array(({ heldAt }) => instantOf(heldAt))}::text::timestamptz[],
      ${array(({ details }) => quoted(details && JSON.stringify(details)))}::text::jsonb[],
      ${source}
    )`
  const { imported, unchanged, excluded } = recorded ?? { imported: 0, unchanged: 0, excluded: 0 }
  return { imported: Number(imported), unchanged: Number(unchanged), excluded: Number(excluded) }
}

/** Writes rows of a dump as they are, in one transaction; what became of each. */
export async function restoreRows(
  sql: Sql,
  table: 'security_mappings' | 'sightings',
  rows: readonly object[],
): Promise<Restored[]> {
  const restored = await sql<{ place: string; outcome: Restored['outcome']; reason: string | null }[]>`
    select place, outcome, reason
    from figi_private.restore_rows(${table}, ${JSON.stringify(rows)}::text::jsonb)`
  return restored.map(({ place, outcome, reason }) => ({ place: Number(place), outcome, reason }))
}

/**
 * Arrays go as literals of our own making: the driver would look at every element of seven arrays, which takes longer than
 * reading the file. Identifiers and instants need no quotes.
 */
function quoted(text: string | null): string {
  return text === null ? 'null' : `"${/["\\]/.test(text) ? text.replace(/["\\]/g, '\\$&') : text}"`
}

/** Files repeat their days. */
const instants = new Map<number, string>()
const mostInstants = 5_000

function instantOf(milliseconds: number | null): string {
  if (milliseconds === null) return 'null'
  const known = instants.get(milliseconds)
  if (known !== undefined) return known
  const instant = new Date(milliseconds).toISOString()
  if (instants.size >= mostInstants) instants.clear()
  instants.set(milliseconds, instant)
  return instant
}
