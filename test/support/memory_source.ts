import type { ImportError } from '../../src/errors/import_error.ts'
import { read } from '../../src/import/read.ts'
import type { Item, ReadOptions, Reject, Sighting } from '../../src/import/records.ts'
import type { Source } from '../../src/import/source.ts'

/** Bytes as a file would give them, in pieces of a size that a test chooses. */
export function sourceOf(bytes: Buffer, pieceSize = 64 * 1024, name = 'file'): Source {
  return {
    name,
    size: bytes.length,
    modifiedAt: Date.UTC(2023, 0, 1),
    async *bytes() {
      for (let begin = 0; begin < bytes.length; begin += pieceSize)
        yield Buffer.from(bytes.subarray(begin, begin + pieceSize))
    },
  }
}

export interface Readout {
  readonly items: readonly Item[]
  readonly sightings: readonly Sighting[]
  readonly rejects: readonly Reject[]
  /** What ended it before its end. */
  readonly error: ImportError | null
}

/** When everything is read. */
export const readAt = Date.UTC(2024, 0, 1)

/** What is read of a source. Throws what is no ImportError. */
export async function readout(source: Source, options: Partial<ReadOptions> = {}): Promise<Readout> {
  const items: Item[] = []
  let error: ImportError | null = null
  const all: ReadOptions = {
    preference: ['US', 'home', 'any'],
    now: readAt,
    onWarning: () => {},
    onBytes: () => {},
    ...options,
  }
  try {
    for await (const some of read(source, all)) items.push(...some)
  } catch (thrown) {
    if ((thrown as Error).name !== 'ImportError') throw thrown
    error = thrown as ImportError
  }
  return {
    items,
    sightings: items.filter((item) => item.kind === 'sighting'),
    rejects: items.filter((item) => item.kind === 'reject'),
    error,
  }
}
