import type { HoldingRow, Holdings, Reading } from '../holdings/holdings.ts'
import { identifierIn } from '../holdings/holdings.ts'
import type { Identifier } from '../identifiers.ts'
import { addedColumns, type Columns } from './added_columns.ts'
import { type Answer, invalid } from './answer.ts'
import { Distinct } from './distinct.ts'
import { type Asked, Resolver, type ResolverOptions } from './resolver.ts'
import type { TimeOfRow } from './row_times.ts'

export interface EnricherOptions extends ResolverOptions {
  readonly holdings: Holdings
  readonly timeOf: TimeOfRow
  /** Told of each row that has identifiers, and none that is valid. */
  onInvalid?(): void
  /** Told after each block that is written and each answer that was fetched. */
  onProgress?(): void
  /** Told what is odd about the file. */
  onWarning(sentence: string): void
  readonly signal: AbortSignal
}

/** What came of the rows. Hits, negative, invalid and missing are rows, and together all of them. */
export interface Summary {
  rows: number
  /** Distinct identifiers in them. */
  identifiers: number
  /** With a ticker. */
  hits: number
  /** Of the hits, those past their age, whose refresh is requested. */
  stale: number
  /** Identifiers that OpenFIGI was asked for on the way. */
  fetched: number
  negative: number
  /** Without a valid identifier, or with a date that cannot be read. */
  invalid: number
  /** Of the invalid, those with such a date. */
  unreadableDates: number
  /** Nothing known so far. */
  missing: number
  /** Of the missing, those where fetching failed. */
  failed: number
  /** Why the first of them did. */
  reason: string
  /** Lines that are no JSON object, have more cells than the head, or a quote that is never closed. */
  odd: number
}

const blockSize = 2000

/** Blocks that are being looked up. */
const lookupsAtOnce = 3

/** What may be held back behind a row that waits for its answer: enough to see far ahead, and little memory. */
const mostRows = 200_000
const mostCharacters = 32 * 1024 * 1024
/** So many identifiers fill forty requests, more than the limit allows in a window. */
const mostFetching = 4_000

interface Block {
  readonly rows: readonly HoldingRow[]
  readonly characters: number
  /** Of the file up to its end, in bytes on the disk. */
  readonly end: number
  readonly answers: Promise<(Answer | Promise<Answer>)[]>
}

/**
 * Reads a file of holdings and gives it out again with what is known of each row, in its order. Blocks are looked up ahead
 * of the one that is written; behind a row that waits for OpenFIGI reading goes on, so that requests are full.
 */
export class Enricher {
  readonly #options: EnricherOptions
  readonly #columns: Columns
  readonly #resolver: Resolver
  readonly #distinct = new Distinct()
  readonly #blocks: Block[] = []
  #held = { rows: 0, characters: 0, lookups: 0 }
  #bytes = { read: 0, written: 0 }
  #isRead = false
  #failure: { readonly error: unknown } | null = null
  #changed = Promise.withResolvers<void>()
  readonly #summary: Omit<Summary, 'identifiers' | 'fetched'> = {
    ...{ rows: 0, hits: 0, stale: 0, negative: 0, invalid: 0, unreadableDates: 0 },
    ...{ missing: 0, failed: 0, reason: '', odd: 0 },
  }

  constructor(options: EnricherOptions) {
    this.#options = options
    this.#columns = addedColumns(options.holdings)
    const { fetch } = options
    this.#resolver = new Resolver({
      lookUp: options.lookUp,
      fetch: fetch && ((identifier) => fetch(identifier).finally(() => this.#tellProgress())),
    })
  }

  get columns(): readonly string[] {
    return this.#columns.names
  }

  get summary(): Summary {
    return { ...this.#summary, identifiers: this.#distinct.count, fetched: this.#resolver.fetched }
  }

  /** Of the file, as it lies on the disk. */
  get bytesDone(): { readonly read: number; readonly written: number } {
    return this.#bytes
  }

  /** How many identifiers are being fetched. */
  get fetching(): number {
    return this.#resolver.fetching
  }

  /** The whole file. Rejects where it cannot be read on, or the database fails. */
  async *bytes(): AsyncGenerator<Buffer> {
    const reading = this.#read()
    try {
      if (this.#options.holdings.isMarked) yield Buffer.from('\uFEFF')
      for (;;) {
        const block = await this.#next()
        if (block === null) break
        yield* this.#written(block)
        this.#held.rows -= block.rows.length
        this.#held.characters -= block.characters
        this.#bytes.written = block.end
        this.#tellProgress()
      }
    } finally {
      this.#isRead = true
      this.#tellChange()
      await reading
    }
  }

  /** Reads as far ahead as it may, until the end, or until nobody takes any more. */
  async #read(): Promise<void> {
    try {
      const reading: Reading = {
        onBytes: (count) => {
          this.#bytes.read += count
        },
        onWarning: (sentence) => this.#options.onWarning(sentence),
      }
      for await (const rows of blocksOf(this.#options.holdings, reading)) {
        if (this.#isRead) return
        this.#start(rows)
        while (!this.#hasRoom() && !this.#isRead) await this.#change()
      }
    } catch (error) {
      this.#failure = { error }
    } finally {
      this.#isRead = true
      this.#tellChange()
    }
  }

  #hasRoom(): boolean {
    const { rows, characters, lookups } = this.#held
    return (
      lookups < lookupsAtOnce &&
      rows < mostRows &&
      characters < mostCharacters &&
      this.#resolver.fetching < mostFetching
    )
  }

  #start(rows: readonly HoldingRow[]): void {
    const characters = rows.reduce((sum, { text }) => sum + text.length, 0)
    this.#held.rows += rows.length
    this.#held.characters += characters
    this.#held.lookups += 1
    const answers = this.#resolver.answers(rows.map((row) => this.#asked(row))).finally(() => {
      this.#held.lookups -= 1
      this.#tellChange()
    })
    answers.catch(() => {})
    this.#blocks.push({ rows, characters, end: this.#bytes.read, answers })
    this.#tellChange()
  }

  #asked(row: HoldingRow): Asked {
    if (row.kind !== 'row') return nothing
    const asOf = this.#options.timeOf(row.date)
    if (asOf === null) return nothing
    const identifiers: Identifier[] = []
    for (const text of row.identifiers) {
      const identifier = identifierIn(text)
      if (identifier === null) continue
      this.#distinct.add(identifier.value)
      identifiers.push(identifier)
    }
    if (identifiers.length === 0 && row.identifiers.some((text) => text.trim() !== ''))
      this.#options.onInvalid?.()
    if (identifiers.length > 1) identifiers.sort(cusipsFirst)
    return identifiers.length === 0 ? nothing : { identifiers, asOf: asOf ?? null }
  }

  async #next(): Promise<Block | null> {
    for (;;) {
      this.#options.signal.throwIfAborted()
      const block = this.#blocks.shift()
      if (block) return block
      if (this.#failure) throw this.#failure.error
      if (this.#isRead) return null
      await this.#change()
    }
  }

  /** What is known is given out before a row that waits. */
  async *#written({ rows, answers }: Block): AsyncGenerator<Buffer> {
    const { holdings, signal } = this.#options
    const known = await answers
    let text = ''
    for (const [n, row] of rows.entries()) {
      let answer = known[n] ?? invalid
      if (answer instanceof Promise) {
        if (text !== '') yield Buffer.from(text)
        text = ''
        answer = await answer
        signal.throwIfAborted()
      }
      text += this.#line(row, answer) + holdings.lineEnd
    }
    yield Buffer.from(text)
  }

  #line(row: HoldingRow, answer: Answer): string {
    if (row.kind === 'head') return this.#columns.head(row)
    if (row.kind === 'between') return row.text
    this.#count(row, answer)
    return row.kind === 'broken' ? row.text : this.#columns.row(row, answer)
  }

  #count(row: HoldingRow, { status, ticker, error }: Answer): void {
    const summary = this.#summary
    summary.rows += 1
    const isTooWide = row.width > this.#options.holdings.names.length
    if (row.kind === 'broken' || row.isUnclosed || isTooWide) summary.odd += 1
    if (ticker !== null) {
      summary.hits += 1
      if (status === 'stale') summary.stale += 1
    } else if (status === 'negative') summary.negative += 1
    else if (status === 'invalid') {
      summary.invalid += 1
      if (row.kind === 'row' && this.#options.timeOf(row.date) === null) summary.unreadableDates += 1
    } else {
      summary.missing += 1
      if (error !== undefined) summary.failed += 1
      summary.reason ||= error ?? ''
    }
  }

  #tellProgress(): void {
    this.#tellChange()
    this.#options.onProgress?.()
  }

  #change(): Promise<void> {
    return this.#changed.promise
  }

  #tellChange(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}

const cusipsFirst = (a: Identifier, b: Identifier) => a.type.localeCompare(b.type)

const nothing: Asked = { identifiers: [], asOf: null }

async function* blocksOf(holdings: Holdings, reading: Reading): AsyncGenerator<HoldingRow[]> {
  let block: HoldingRow[] = []
  for await (const rows of holdings.rows(reading)) {
    for (const row of rows) block.push(row)
    if (block.length < blockSize) continue
    yield block
    block = []
  }
  if (block.length > 0) yield block
}
