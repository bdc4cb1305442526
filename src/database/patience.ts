import { DatabaseError } from '../errors/database_error.ts'
import { messageOf } from '../message_of.ts'
import { sleepFor } from '../waiting.ts'
import { codeOf, explained, isAway } from './faults.ts'

export interface PatienceOptions {
  /** Told once for each time that the database is away. */
  readonly onAway: (sentence: string) => void
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined
  /** Whether it has answered already, as to requireAnswer. */
  readonly hasAnswered?: boolean
  /** How long the database may be away, in milliseconds. Default a minute. */
  readonly forMs?: number | undefined
}

const defaultMs = 60_000
const firstPauseMs = 250
const longestPauseMs = 2_000

/** A deadlock, a transaction that could not be serialised, a lock that was not to be had: the same again goes through. */
const passing = new Set(['40P01', '40001', '55P03'])
const passingTries = 6

/** Codes of a connection that was there and is lost. */
const lost = new Set(['CONNECTION_CLOSED', 'ECONNRESET', 'EPIPE', '57P01', '57P02'])

/**
 * Runs what may be run again: again after a deadlock, and for a minute while the database is away, once it has been there. Where
 * it never was, as with a wrong address, that is told at once. Throws an error that a person can act on.
 */
export class Patience {
  readonly #options: PatienceOptions
  #wasThere: boolean
  #isTold = false

  constructor(options: PatienceOptions) {
    this.#options = options
    this.#wasThere = options.hasAnswered ?? false
  }

  async run<T>(query: () => PromiseLike<T>): Promise<T> {
    let awaySince: number | null = null
    let passed = 0
    for (let tries = 1; ; tries += 1) {
      try {
        const result = await query()
        this.#wasThere = true
        this.#isTold = false
        return result
      } catch (error) {
        // What was interrupted fails as what is lost does.
        this.#options.signal?.throwIfAborted()
        const isPassing = passing.has(codeOf(error) ?? '')
        if (isPassing) passed += 1
        if (isPassing && passed < passingTries) awaySince = null
        else {
          if (lost.has(codeOf(error) ?? '')) this.#wasThere = true
          if (!isAway(error) || !this.#wasThere) throw explained(error)
          awaySince ??= performance.now()
          this.#tellOrGiveUp(error, awaySince)
        }
        const pauseMs = Math.min(firstPauseMs * 2 ** (tries - 1), longestPauseMs)
        await sleepFor(pauseMs * (0.5 + Math.random() / 2), this.#options.signal)
      }
    }
  }

  #tellOrGiveUp(error: unknown, awaySince: number): void {
    const { forMs = defaultMs, onAway } = this.#options
    if (performance.now() - awaySince >= forMs) {
      throw new DatabaseError(
        `The database has been away for ${Math.round(forMs / 1000)} s: ${messageOf(error)}. Run the same again when it is back: it goes on from what is done.`,
        codeOf(error),
        { cause: error },
      )
    }
    if (this.#isTold) return
    this.#isTold = true
    onAway(`The database is away (${messageOf(error)}); trying again for ${Math.round(forMs / 1000)} s.`)
  }
}
