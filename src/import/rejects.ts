import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import { stringify } from 'csv-stringify/sync'
import { type PartFile, partFile } from '../part_file.ts'
import { whyNotWritten } from '../write_fault.ts'
import type { Reject } from './records.ts'

export const rejectsHead = 'file,line,reason,record'

/** Shown where the file cannot be written. */
const mostKept = 5

/**
 * A CSV of what was rejected, begun with the first that is, and under its name when it is complete. What a spreadsheet would run
 * as a formula is made safe.
 */
export class RejectsFile {
  readonly path: string
  /** The first few. */
  readonly first: Reject[] = []
  /** Why the file cannot be written; null as long as it can. */
  problem: string | null = null
  #part: PartFile | null = null
  #stream: Promise<WriteStream> | null = null

  constructor(path: string) {
    this.path = path
  }

  async add(rejects: readonly Reject[]): Promise<void> {
    this.first.push(...rejects.slice(0, mostKept - this.first.length))
    if (this.problem !== null || rejects.length === 0) return
    this.#stream ??= this.#begin()
    const stream = await this.#stream
    const rows = rejects.map(({ place, reason, text }) => [place.file, place.line, reason, text])
    const isRoomLeft = stream.write(stringify(rows, { escape_formulas: true }))
    if (!isRoomLeft && this.problem === null) await once(stream, 'drain').catch(() => {})
  }

  /** Resolves when all is on the disk, or `problem` says why it is not. */
  async close(): Promise<void> {
    await this.#end()
    if (this.problem === null)
      await this.#part?.complete().catch((error) => {
        this.problem = whyNotWritten(error)
      })
    await this.#part?.discard()
  }

  /** Leaves no list behind, where there is more that would be in it. */
  async discard(): Promise<void> {
    await this.#end()
    await this.#part?.discard()
  }

  async #end(): Promise<void> {
    const stream = await this.#stream
    stream?.end()
    if (stream) await finished(stream).catch(() => {})
  }

  async #begin(): Promise<WriteStream> {
    this.#part = await partFile(this.path)
    const stream = createWriteStream(this.#part.path, { flags: this.#part.flags })
    stream.on('error', (error) => {
      this.problem ??= whyNotWritten(error)
    })
    stream.write(`${rejectsHead}\n`)
    return stream
  }
}
