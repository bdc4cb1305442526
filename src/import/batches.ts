import type { DumpRow, Sighting } from './records.ts'

/** The sightings of so many records travel together; one identifier's are never divided for it. */
const batchSize = 5_000

/**
 * Sightings in batches: each of one source, with all that is there of an identifier, in the order of the identifiers.
 * Sorts in place.
 */
export function* batchesOf(sightings: Sighting[], size = batchSize): Generator<Sighting[]> {
  sightings.sort(compare)
  let begin = 0
  while (begin < sightings.length) {
    let end = Math.min(begin + size, sightings.length)
    const first = sightings[begin] as Sighting
    while (end < sightings.length && belongTogether(sightings[end - 1], sightings[end])) end += 1
    while (end > begin + 1 && sightings[end - 1]?.source !== first.source) end -= 1
    yield sightings.slice(begin, end)
    begin = end
  }
}

function compare(a: Sighting, b: Sighting): number {
  return (
    compareText(a.source, b.source) ||
    compareText(a.type, b.type) ||
    compareText(a.value, b.value) ||
    compareText(a.ticker ?? '', b.ticker ?? '')
  )
}

function compareText(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}

function belongTogether(a: Sighting | undefined, b: Sighting | undefined): boolean {
  return a?.value === b?.value && a?.type === b?.type && a?.source === b?.source
}

/** Rows of a dump in parts of about so many. Those of one identifier, which stand together, are never divided. */
export function* partsOf(rows: readonly DumpRow[], size: number): Generator<DumpRow[]> {
  let part: DumpRow[] = []
  for (const row of rows) {
    const last = part.at(-1)
    if (last && part.length >= size && !isOfSame(last, row)) {
      yield part
      part = []
    }
    part.push(row)
  }
  if (part.length > 0) yield part
}

/** Where the rows of the last identifier begin, of which there may be more to come. */
export function lastIdentifierIn(rows: readonly DumpRow[]): number {
  const last = rows.at(-1)
  return last ? rows.findLastIndex((row) => !isOfSame(last, row)) + 1 : 0
}

function isOfSame(a: DumpRow, b: DumpRow): boolean {
  return (
    a.table === b.table &&
    a.row.identifier_value === b.row.identifier_value &&
    a.row.identifier_type === b.row.identifier_type
  )
}
