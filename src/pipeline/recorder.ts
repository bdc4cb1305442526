import { isAway } from '../database/faults.ts'
import type { Answer } from '../database/requests.ts'
import { monotonicNow } from '../monotonic.ts'

interface Batch {
  readonly answers: readonly Answer[]
  readonly askedAt: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** So many batches at most go into one transaction. */
const batchesAtOnce = 10

/**
 * Writes answers, one transaction at a time: what arrives while one is under way goes together into the next. Concurrent
 * ones would only wait for each other's locks, each with a connection in its hand.
 */
export class Recorder {
  readonly #recordAnswers: (answers: readonly Answer[], ageMs: number) => Promise<void>
  #waiting: Batch[] = []
  #loop: Promise<void> | null = null

  constructor(recordAnswers: (answers: readonly Answer[], ageMs: number) => Promise<void>) {
    this.#recordAnswers = recordAnswers
  }

  /** Resolves when the whole answer is committed. */
  record(answers: readonly Answer[], askedAt: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ answers, askedAt, resolve, reject })
      this.#loop ??= this.#run()
    })
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batches = this.#waiting.splice(0, batchesAtOnce)
      try {
        await this.#write(batches)
        for (const batch of batches) batch.resolve()
      } catch (error) {
        if (isAway(error) || batches.length === 1) for (const batch of batches) batch.reject(error)
        // One answer that cannot be written does not take the others along.
        else for (const batch of batches) await this.#write([batch]).then(batch.resolve, batch.reject)
      }
    }
    this.#loop = null
  }

  async #write(batches: readonly Batch[]): Promise<void> {
    const oldest = Math.min(...batches.map((batch) => batch.askedAt))
    const answers = batches.flatMap((batch) => batch.answers)
    await this.#recordAnswers(answers, monotonicNow() - oldest)
  }
}
