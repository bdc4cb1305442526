import { within } from '../database/deadline.ts'
import { codeOf, isAway } from '../database/faults.ts'
import type { Logger } from '../log.ts'
import { messageOf } from '../message_of.ts'
import { monotonicNow } from '../monotonic.ts'
import type { Count, Tally } from './tally.ts'

export interface FlusherOptions {
  readonly tally: Tally
  /** Writes the counts, unless the flush of that number has been written before. */
  readonly write: (flush: number, counts: readonly Count[]) => Promise<unknown>
  /** Takes back what the first flush has said, at the end. */
  readonly end: () => Promise<unknown>
  /** Whether to write also when there is nothing to count, as a sign of life. */
  readonly isHeartbeat?: boolean | undefined
  readonly logger: Logger
  readonly everyMs?: number | undefined
  /** How long one attempt may take. */
  readonly deadlineMs?: number | undefined
  /** How long a database that refuses counts is left alone. */
  readonly restMs?: number | undefined
}

/** Half of the ten seconds that a crash may lose: the other half is for a write that takes long. */
const flushEveryMs = 5_000

/** Attempts on connections that have gone dead, each of which holds one until the system gives it up. */
const mostUnsettled = 3

/** A missing right, an older schema: nothing changes before a person does something. */
const refusals = /^(42|3F|28)/

/** The database forgets processes that it has not heard of for a day, and with them the numbers of their flushes. */
const uncertainForMs = 12 * 3_600_000

interface Flush {
  readonly number: number
  readonly counts: readonly Count[]
  readonly takenAt: number
}

/**
 * Writes a tally every few seconds, one flush at a time. Whether a flush that failed was written after all nobody knows: it is
 * tried again under its number, with the same counts, before anything else, so that nothing is counted twice. Counting
 * goes on in memory meanwhile. Nothing here rejects.
 */
export class Flusher {
  readonly #options: FlusherOptions
  readonly #timer: NodeJS.Timeout
  #number = 0
  #uncertain: Flush | null = null
  #underWay: Promise<boolean> | null = null
  #unsettled = 0
  #restsUntil = Number.NEGATIVE_INFINITY
  #hasBeenTold = false
  /** In a row, other than for want of a right. */
  #refusals = 0
  #isKnown = false
  #closed: Promise<void> | null = null

  constructor(options: FlusherOptions) {
    this.#options = options
    this.#timer = setInterval(() => void this.flush(), options.everyMs ?? flushEveryMs).unref()
  }

  /** Writes what is counted by now, as far as that goes; whether nothing is left to be written. */
  flush(): Promise<boolean> {
    this.#underWay ??= this.#flush().finally(() => {
      this.#underWay = null
    })
    return this.#underWay
  }

  /** Writes what is left and says that the process ends, unless the database is away. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer)
    if (this.#underWay && !(await this.#underWay)) return
    const isAllWritten = this.#options.tally.isEmpty && this.#uncertain === null
    if (!isAllWritten && !(await this.flush())) return
    if (!this.#isKnown) return
    await within(this.#deadlineMs, 'The database', this.#options.end()).catch((error) => this.#excuse(error))
  }

  async #flush(): Promise<boolean> {
    for (;;) {
      if (this.#uncertain && monotonicNow() - this.#uncertain.takenAt > uncertainForMs) this.#uncertain = null
      const isRetry = this.#uncertain !== null
      this.#uncertain ??= this.#next()
      if (!this.#uncertain) return true
      if (performance.now() < this.#restsUntil || this.#unsettled >= mostUnsettled) return false
      try {
        await this.#write(this.#uncertain)
        this.#isKnown = true
        this.#refusals = 0
        this.#uncertain = null
      } catch (error) {
        this.#excuse(error)
        return false
      }
      if (!isRetry) return true
    }
  }

  #next(): Flush | null {
    const { tally, isHeartbeat } = this.#options
    if (tally.isEmpty && !isHeartbeat) return null
    this.#number += 1
    return { number: this.#number, counts: tally.take(), takenAt: monotonicNow() }
  }

  async #write({ number, counts }: Flush): Promise<void> {
    this.#unsettled += 1
    const writing = this.#options.write(number, counts).finally(() => {
      this.#unsettled -= 1
    })
    await within(this.#deadlineMs, 'The database', writing)
  }

  #excuse(error: unknown): void {
    const { logger, isHeartbeat, restMs = 600_000 } = this.#options
    const reason = messageOf(error)
    const code = codeOf(error) ?? ''
    if (code === 'PF002') {
      // They would never be taken, and everything after them would wait.
      this.#uncertain = null
      logger.warn({ reason }, 'The database takes some counts for nonsense: they are lost')
    } else if (refusals.test(code)) {
      this.#restsUntil = performance.now() + restMs
      // To a worker the right belongs; an analyst's client goes without.
      if (!this.#hasBeenTold)
        logger[isHeartbeat ? 'warn' : 'debug'](
          { reason },
          'The database takes no counts: nothing is counted there',
        )
      this.#hasBeenTold = true
    } else this.#excuseUnknown(error, reason)
  }

  /** A database that is away is told of elsewhere; what else repeats, an operator has to hear of, once. */
  #excuseUnknown(error: unknown, reason: string): void {
    const { logger, isHeartbeat } = this.#options
    this.#refusals = isAway(error) ? 0 : this.#refusals + 1
    if (isHeartbeat && this.#refusals >= 2 && !this.#hasBeenTold) {
      this.#hasBeenTold = true
      logger.warn(
        { reason },
        'The database does not take counts and signs of life of this worker; they are kept and tried again',
      )
    } else logger.debug({ reason }, 'Counts could not be written; they are kept and tried again')
  }

  get #deadlineMs(): number {
    return this.#options.deadlineMs ?? flushEveryMs
  }
}
