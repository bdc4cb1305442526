import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import { stringify } from 'csv-stringify/sync'
import type { Reject } from './records.ts'

export const rejectsHead = 'file,line,reason,record'

/** Shown where the file cannot be written. */
const mostKept = 5

/** A CSV of what was rejected, begun with the first that is. What a spreadsheet would run as a formula is made safe. */
export class RejectsFile {
  readonly path: string
  /** The first few. */
  readonly first: Reject[] = []
  /** Why the file cannot be written; null as long as it can. */
  problem: string | null = null
  #stream: WriteStream | null = null

  constructor(path: string) {
    this.path = path
  }

  async add(rejects: readonly Reject[]): Promise<void> {
    this.first.push(...rejects.slice(0, mostKept - this.first.length))
    if (this.problem !== null || rejects.length === 0) return
    this.#stream ??= this.#begin()
    const rows = rejects.map(({ place, reason, text }) => [place.file, place.line, reason, text])
    const isRoomLeft = this.#stream.write(stringify(rows, { escape_formulas: true }))
    if (!isRoomLeft && this.problem === null) await once(this.#stream, 'drain').catch(() => {})
  }

  /** Resolves when all is on the disk, or `problem` says why it is not. */
  async close(): Promise<void> {
    if (this.#stream === null) return
    this.#stream.end()
    await finished(this.#stream).catch(() => {})
  }

  #begin(): WriteStream {
    const stream = createWriteStream(this.path)
    stream.on('error', (error) => {
      this.problem ??= error.message
    })
    stream.write(`${rejectsHead}\n`)
    return stream
  }
}
