import type { SightingRow } from '../database/sightings.ts'
import type { IdentifierType } from '../identifiers.ts'
import type { ListingPreference } from '../openfigi/markets.ts'
import { ownCopy } from './own_copy.ts'

/** One statement of a source: the identifier had this ticker. */
export interface Sighting extends SightingRow {
  readonly kind: 'sighting'
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
    text: text.length > longestText ? `${ownCopy(text.slice(0, longestText))}...` : ownCopy(text),
  }
}

/** A value out of a file, short enough for a sentence; a text in quotes. */
export function shown(value: unknown): string {
  const short = (text: string) => (text.length > 60 ? `${text.slice(0, 60)}...` : text)
  return typeof value === 'string' ? JSON.stringify(short(value)) : short(JSON.stringify(value) ?? 'nothing')
}
