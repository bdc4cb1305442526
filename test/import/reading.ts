import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSources } from '../../src/import/open_sources.ts'
import { read } from '../../src/import/read.ts'
import type { Item, ReadOptions, Sighting } from '../../src/import/records.ts'

/** When all tests of reading take place. */
const now = Date.UTC(2024, 0, 1)

export interface ReadResult {
  readonly items: Item[]
  /** Of each sighting: type, value, ticker, from, until, heldAt; instants as ISO. */
  readonly sightings: (string | null)[][]
  /** Of each reject: line and reason. */
  readonly rejects: [number, string][]
  readonly warnings: string[]
}

/** Runs `work` with a folder that is deleted after. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'import-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** What is read of a file with this content; objects become JSON. */
export async function readContent(content: unknown, options: Partial<ReadOptions> = {}): Promise<ReadResult> {
  return withFolder(async (folder) => {
    const path = join(folder, 'old data')
    const isText = typeof content === 'string' || Buffer.isBuffer(content)
    await writeFile(path, isText ? content : JSON.stringify(content))
    return readPaths([path], options)
  })
}

export async function readPaths(
  paths: readonly string[],
  options: Partial<ReadOptions> = {},
): Promise<ReadResult> {
  const items: Item[] = []
  const warnings: string[] = []
  await using opened = await openSources(paths)
  for (const source of opened.sources) {
    const all: ReadOptions = {
      preference: ['US', 'home', 'any'],
      now,
      onWarning: (sentence) => warnings.push(sentence),
      onBytes: () => {},
      ...options,
    }
    for await (const some of read({ ...source, modifiedAt: Date.UTC(2023, 0, 1) }, all)) items.push(...some)
  }
  return {
    items,
    sightings: items.filter((item) => item.kind === 'sighting').map(rowOf),
    rejects: items.filter((item) => item.kind === 'reject').map(({ place, reason }) => [place.line, reason]),
    warnings,
  }
}

function rowOf({ type, value, ticker, from, until, heldAt }: Sighting): (string | null)[] {
  return [type, value, ticker, ...[from, until, heldAt].map(isoOf)]
}

/** Midnights without their time, which is what the tests are about. */
function isoOf(instant: number | null): string | null {
  return instant === null ? null : new Date(instant).toISOString().replace('T00:00:00.000Z', '')
}
