import { isAway, isRefusal } from '../database/faults.ts'
import type { Answer } from '../database/requests.ts'
import { messageOf } from '../message_of.ts'
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
        // What waits for its turn would only be told the same, perhaps after another deadline.
        if (isAway(error)) for (const batch of [...batches, ...this.#waiting.splice(0)]) batch.reject(error)
        // One answer that cannot be written does not take the others along.
        else for (const batch of batches) await this.#writeApart(batch).then(batch.resolve, batch.reject)
      }
    }
    this.#loop = null
  }

  /** Down to the answer that the database refuses, which is recorded as an error: else its neighbours were fetched in vain for ever. */
  async #writeApart(batch: Pick<Batch, 'answers' | 'askedAt'>): Promise<void> {
    const { answers, askedAt } = batch
    try {
      await this.#write([batch])
    } catch (error) {
      if (!isRefusal(error)) throw error
      const [answer] = answers
      if (answers.length > 1) {
        const half = Math.ceil(answers.length / 2)
        await this.#writeApart({ answers: answers.slice(0, half), askedAt })
        await this.#writeApart({ answers: answers.slice(half), askedAt })
      } else if (answer && answer.outcome !== 'error') {
        await this.#write([{ answers: [refused(answer, error)], askedAt }])
      } else throw error
    }
  }

  async #write(batches: readonly Pick<Batch, 'answers' | 'askedAt'>[]): Promise<void> {
    const oldest = Math.min(...batches.map((batch) => batch.askedAt))
    const answers = batches.flatMap((batch) => batch.answers)
    await this.#recordAnswers(answers, monotonicNow() - oldest)
  }
}

function refused(answer: Answer, error: unknown): Answer {
  const { identifier_type, identifier_value } = answer
  const why = messageOf(error)
  return {
    identifier_type,
    identifier_value,
    outcome: 'error',
    message: `The database refused what OpenFIGI answered: ${why}`,
  }
}
