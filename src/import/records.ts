import type { IdentifierType } from '../identifiers.ts'
import type { ListingPreference } from '../openfigi/markets.ts'

/** What else a source says about a security, by the names of the columns of security_mappings. */
export type Details = Readonly<Record<string, string>>

/** One statement of a source: the identifier had this ticker. Instants are milliseconds since 1970, UTC. */
export interface Sighting {
  readonly kind: 'sighting'
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
  readonly source: 'import' | 'sec_ftd'
}

/** Where a record stands: line of a text, or the place among the entries of a JSON value, both from 1. */
export interface Place {
  readonly file: string
  readonly line: number
}

/** A row of a dump of pgfigi, not yet looked at. */
export interface DumpRow {
  readonly kind: 'dump'
  readonly table: 'security_mappings' | 'sightings'
  readonly row: Readonly<Record<string, unknown>>
  readonly place: Place
}

/** A record that is not imported, and why, in a plain sentence without its full stop. */
export interface Reject {
  readonly kind: 'reject'
  readonly place: Place
  readonly reason: string
  /** The record as the file has it, shortened where it is long. */
  readonly text: string
}

export type Item = Sighting | DumpRow | Reject

/** What readers have to know that is not in the file. */
export interface ReadOptions {
  /** Takes all values for this type; undefined tells it from each value. */
  readonly type?: IdentifierType | undefined
  /** The instant of what has no date of its own, in milliseconds. */
  readonly observedAt?: number | undefined
  readonly preference: ListingPreference
  /** Now, in milliseconds: what lies after it cannot have been seen. */
  readonly now: number
  /** Told of what is odd about a file without keeping it from being read. */
  onWarning(sentence: string): void
  /** Told how many more bytes of the file, as it lies on the disk, have been read. */
  onBytes(count: number): void
}

/** Records travel in arrays of about so many: one by one, the waiting would cost more than the reading. */
export const itemsAtOnce = 2_000

const longestText = 1_000

export function reject(place: Place, reason: string, text: string): Reject {
  return {
    kind: 'reject',
    place,
    reason,
    text: text.length > longestText ? `${text.slice(0, longestText)}...` : text,
  }
}

/** A value out of a file, short enough for a sentence; a text in quotes. */
export function shown(value: unknown): string {
  const short = (text: string) => (text.length > 60 ? `${text.slice(0, 60)}...` : text)
  return typeof value === 'string' ? JSON.stringify(short(value)) : short(JSON.stringify(value) ?? 'nothing')
}
