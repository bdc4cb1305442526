import type { Sighting } from './records.ts'

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
