import type { Counting } from '../counting/tally.ts'
import type { Answer } from '../database/requests.ts'
import type { Identifier } from '../identifiers.ts'
import type { Logger } from '../log.ts'
import { monotonicNow } from '../monotonic.ts'
import type { OpenFigi, Outcome, RoundRequest } from '../openfigi/fetch_round.ts'
import { answerOf, countAnswers } from './answers.ts'
import { keyOf, Wanted } from './wanted.ts'

/** An answer that the database does not have yet. askedAt is by monotonicNow: a clock that jumps makes no wrong age. */
interface Kept {
  readonly answer: Answer
  readonly askedAt: number
}

export interface ApiOnlyOptions {
  readonly openfigi: OpenFigi
  readonly logger: Logger
  readonly counting: Counting
  /** Answers kept until the database is back; beyond that the oldest are forgotten. Zero keeps none. */
  readonly maxKept: number
}

/** Kept answers are written as many at once as one full API request holds, where they were asked for within a second. */
const recordedAtOnce = 100
const togetherMs = 1_000

/**
 * Lookups without the database: both rounds straight from OpenFIGI, each identifier once at a time. What was fetched is
 * kept to be written when the database is back, and answers the same question until then.
 */
export class ApiOnly {
  readonly #options: ApiOnlyOptions
  readonly #wanted = new Wanted()
  readonly #kept = new Map<string, Kept>()
  readonly #askedAt = new WeakMap<Answer, number>()
  #loop: Promise<void> | null = null
  #unfiltered: Identifier[] = []
  #asked: Identifier[] = []
  #forgotten = 0

  constructor(options: ApiOnlyOptions) {
    this.#options = options
  }

  /** Whether something is being fetched that will be kept. */
  get isFetching(): boolean {
    return this.#loop !== null
  }

  /** How many answers wait to be written. */
  get keptCount(): number {
    return this.#kept.size
  }

  /** What is kept of it. */
  kept(identifier: Identifier): Kept | undefined {
    return this.#kept.get(keyOf(identifier))
  }

  /** A kept answer, or one from OpenFIGI. Rejects where OpenFIGI cannot be asked. */
  async answer(identifier: Identifier): Promise<Kept> {
    const known = this.kept(identifier)
    if (known) return known
    const before = this.#wanted.size
    const fetched = this.#wanted.add(identifier)
    if (this.#wanted.size > before) this.#asked.push(identifier)
    this.#loop ??= this.#run()
    const answer = await fetched
    if (!answer) throw new Error(`No answer was kept for ${keyOf(identifier)}`)
    return this.kept(identifier) ?? { answer, askedAt: this.#askedAt.get(answer) ?? monotonicNow() }
  }

  /** Keeps answers that could not be written. */
  keep(answers: readonly Answer[], askedAt: number): void {
    for (const answer of answers) {
      if (answer.outcome !== 'listing' && answer.outcome !== 'none') continue
      const key = keyOf({ type: answer.identifier_type, value: answer.identifier_value })
      this.#kept.delete(key)
      this.#kept.set(key, { answer, askedAt })
    }
    while (this.#kept.size > this.#options.maxKept) {
      this.#kept.delete(this.#kept.keys().next().value as string)
      this.#forgotten += 1
    }
  }

  /** Writes what was kept, oldest first. Rejects where the database is still away; what was not written stays. */
  async flush(record: (answers: readonly Answer[], ageMs: number) => Promise<void>): Promise<number> {
    let written = 0
    for (const batch of batchesOf(this.#kept)) {
      const oldest = Math.min(...batch.map(([, { askedAt }]) => askedAt))
      const answers = batch.map(([, kept]) => kept.answer)
      await record(answers, monotonicNow() - oldest)
      for (const [key, kept] of batch) if (this.#kept.get(key) === kept) this.#kept.delete(key)
      written += batch.length
    }
    if (this.#forgotten > 0) {
      this.#options.logger.warn(
        { forgotten: this.#forgotten },
        'More was fetched than could be kept; the oldest answers are lost',
      )
      this.#forgotten = 0
    }
    return written
  }

  async close(): Promise<void> {
    this.#wanted.failAll(new Error('pgfigi is closing'))
    await this.#options.openfigi.close()
    await this.#loop
  }

  async #run(): Promise<void> {
    // What is asked for in the same tick belongs together.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#asked.length > 0 || this.#unfiltered.length > 0) {
      const asked = this.#asked.splice(0)
      await this.#round(asked.map((identifier) => ({ identifier, unfiltered: false })))
      const again = this.#unfiltered.splice(0)
      await this.#round(again.map((identifier) => ({ identifier, unfiltered: true })))
    }
    this.#loop = null
  }

  async #round(requests: readonly RoundRequest[]): Promise<void> {
    if (requests.length === 0) return
    try {
      const outcomes = await this.#options.openfigi.fetchRound(requests)
      for (const [place, outcome] of outcomes.entries()) {
        this.#settle((requests[place] as RoundRequest).identifier, outcome)
      }
    } catch (error) {
      for (const { identifier } of requests) this.#wanted.fail(identifier, error)
    }
  }

  #settle(identifier: Identifier, outcome: Outcome | { kind: 'failed'; error: Error }): void {
    if (outcome.kind === 'failed') {
      this.#wanted.fail(identifier, outcome.error)
      return
    }
    const answer = answerOf(identifier, outcome)
    countAnswers(this.#options.counting, [answer])
    if (answer.outcome === 'unfiltered') {
      this.#unfiltered.push(identifier)
      return
    }
    const askedAt = 'askedAt' in outcome ? outcome.askedAt : monotonicNow()
    this.#askedAt.set(answer, askedAt)
    this.keep([answer], askedAt)
    this.#wanted.settle(identifier, answer)
  }
}

/** Kept answers that were asked for at about the same time, in the order in which they came, a bounded number at a time. */
function* batchesOf(kept: ReadonlyMap<string, Kept>): Generator<[string, Kept][]> {
  let batch: [string, Kept][] = []
  for (const entry of [...kept]) {
    const first = batch[0]?.[1].askedAt ?? entry[1].askedAt
    if (batch.length === recordedAtOnce || Math.abs(entry[1].askedAt - first) > togetherMs) {
      yield batch
      batch = []
    }
    batch.push(entry)
  }
  if (batch.length > 0) yield batch
}
