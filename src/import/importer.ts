import { answered } from '../database/answered.ts'
import type { Sql } from '../database/connect.ts'
import { Patience, type PatienceOptions } from '../database/patience.ts'
import { recordSightings, restoreRows } from '../database/sightings.ts'
import { ImportError } from '../errors/import_error.ts'
import { createLanes } from '../lanes.ts'
import { batchesOf, lastIdentifierIn, partsOf } from './batches.ts'
import { read } from './read.ts'
import { type DumpRow, type Item, type ReadOptions, type Reject, reject, type Sighting } from './records.ts'
import type { Source } from './source.ts'

/** What became of the records: read is the sum of imported, unchanged and rejected. */
export interface Counts {
  read: number
  imported: number
  unchanged: number
  rejected: number
  /** Of the imported and unchanged, those that do not show in the history. */
  excluded: number
}

/** What is under way is still finished when the signal aborts. */
export interface ImporterOptions extends PatienceOptions {
  readonly sql: Sql
  readonly reading: ReadOptions
  /** Takes what is rejected, as it comes. */
  onRejects(rejects: readonly Reject[]): Promise<void>
}

/** So many sightings are gathered and sorted at once: the more, the less often an identifier comes up again. */
const gathered = 100_000
const gatheredDumpRows = 20_000
const dumpRowsAtOnce = 2_500
const queriesAtOnce = 2

/** A part that waits for the locks of another import takes its time. */
const deadlineMs = 600_000

/**
 * Brings what sources say into the database: a part is written while the next is read. A part is one transaction, and
 * writing it again changes nothing, so that an import that was interrupted is simply run again.
 */
export class Importer {
  readonly counts: Counts = { read: 0, imported: 0, unchanged: 0, rejected: 0, excluded: 0 }
  readonly #options: ImporterOptions
  readonly #lanes = createLanes(queriesAtOnce)
  readonly #patience: Patience
  #sightings: Sighting[] = []
  #dumpRows: DumpRow[] = []
  #writing: Promise<void> = Promise.resolve()

  constructor(options: ImporterOptions) {
    this.#options = options
    this.#patience = new Patience(options)
  }

  /** Reads a source. What it says is in the database once `finish` has resolved. Throws an ImportError where it cannot be read. */
  async take(source: Source): Promise<void> {
    const { reading, signal } = this.#options
    let understood = 0
    let firstReason: string | null = null
    for await (const items of read(source, reading)) {
      signal?.throwIfAborted()
      const rejects = this.#sort(items)
      understood += items.length - rejects.length
      firstReason ??= rejects[0]?.reason ?? null
      if (rejects.length > 0) await this.#reject(rejects)
      if (this.#dumpRows.length >= gatheredDumpRows || this.#sightings.length >= gathered) await this.#write()
    }
    if (understood === 0 && firstReason !== null) {
      throw new ImportError(
        source.name,
        `has nothing in it that could be understood. The first reason: ${firstReason}.`,
      )
    }
  }

  /** Writes what is left, and waits for what is under way. */
  async finish(): Promise<void> {
    await this.#write({ isLast: true })
    await this.#writing
  }

  /** Waits for what is under way, and leaves the rest. */
  async stop(): Promise<void> {
    this.#sightings = []
    this.#dumpRows = []
    await this.#writing.catch(() => {})
  }

  #sort(items: readonly Item[]): Reject[] {
    const rejects: Reject[] = []
    for (const item of items) {
      if (item.kind === 'sighting') this.#sightings.push(item)
      else if (item.kind === 'dump') this.#dumpRows.push(item)
      else rejects.push(item)
    }
    return rejects
  }

  async #reject(rejects: readonly Reject[]): Promise<void> {
    this.counts.read += rejects.length
    this.counts.rejected += rejects.length
    await this.#options.onRejects(rejects)
  }

  /** Begins to write what has been gathered, once the last part is written. */
  async #write({ isLast = false } = {}): Promise<void> {
    await this.#writing
    const sightings = this.#sightings
    const rows = this.#dumpRows
    this.#sightings = []
    this.#dumpRows = isLast ? [] : rows.splice(lastIdentifierIn(rows))
    this.#writing = this.#writeAll(sightings, rows)
    this.#writing.catch(() => {}) // whoever awaits it next is told
  }

  async #writeAll(sightings: Sighting[], rows: readonly DumpRow[]): Promise<void> {
    const batches = interleaved([...batchesOf(sightings)])
    await settled(batches.map((batch) => this.#lanes(() => this.#record(batch))))
    // The mappings first: sightings would make periods of their own where they find none.
    for (const table of ['security_mappings', 'sightings'] as const) {
      const ofTable = rows.filter((row) => row.table === table)
      const parts = [...partsOf(ofTable, dumpRowsAtOnce)]
      await settled(interleaved(parts).map((part) => this.#lanes(() => this.#restore(table, part))))
    }
  }

  async #record(batch: readonly Sighting[]): Promise<void> {
    const { sql, signal } = this.#options
    signal?.throwIfAborted()
    const source = batch[0]?.source ?? 'import'
    const { imported, unchanged, excluded } = await this.#persist(() => recordSightings(sql, batch, source))
    this.counts.read += batch.length
    this.counts.imported += imported
    this.counts.unchanged += unchanged
    this.counts.excluded += excluded
  }

  #persist<T>(query: () => Promise<T>): Promise<T> {
    return this.#patience.run(() => answered(this.#options.sql, deadlineMs, query()))
  }

  async #restore(table: DumpRow['table'], rows: readonly DumpRow[]): Promise<void> {
    const { sql, signal } = this.#options
    signal?.throwIfAborted()
    const objects = rows.map(({ row }) => row)
    const rejects: Reject[] = []
    for (const { place, outcome, reason } of await this.#persist(() => restoreRows(sql, table, objects))) {
      const row = rows[place - 1]
      if (outcome !== 'rejected') {
        this.counts[outcome] += 1
        this.counts.read += 1
      } else if (row)
        rejects.push(reject(row.place, reason ?? 'the database refused it', JSON.stringify(row.row)))
    }
    if (rejects.length > 0) await this.#reject(rejects)
  }
}

/** From the beginning and from the middle in turn: neighbours in key order share locks, and would wait for each other. */
function interleaved<T>(all: readonly T[]): T[] {
  const middle = Math.ceil(all.length / 2)
  return all.slice(0, middle).flatMap((one, place) => [one, ...all.slice(middle + place, middle + place + 1)])
}

/** Waits for all, also where one fails, and then throws the first error. */
async function settled(promises: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(promises)
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}
