import { type Counting, countsNothing } from '../counting/tally.ts'
import type { Sql } from '../database/connect.ts'
import { isAway } from '../database/faults.ts'
import { type Answer, type Claim, recordAnswers, releaseClaims } from '../database/requests.ts'
import type { Identifier } from '../identifiers.ts'
import type { Logger } from '../log.ts'
import { messageOf } from '../message_of.ts'
import { monotonicNow } from '../monotonic.ts'
import type { OpenFigi } from '../openfigi/fetch_round.ts'
import { sleepFor } from '../waiting.ts'
import { answerOf, countAnswers } from './answers.ts'
import { Recorder } from './recorder.ts'

/** Claims that travel in one request. */
export interface Batch {
  readonly claimant: string
  readonly claims: readonly Claim[]
}

export interface RoundsOptions {
  readonly sql: Sql
  readonly openfigi: OpenFigi
  readonly logger: Logger
  readonly counting?: Counting | undefined
  /** Gives a query its deadline. */
  readonly query: <T>(query: PromiseLike<T>) => Promise<T>
  /** Aborted when the process ends: what is under way is then recorded once more, or given back. */
  readonly signal: AbortSignal
  /** Takes answers that could not be written because the database is away. Without it they are kept and written when it is back. */
  readonly onUnrecorded?: ((answers: readonly Answer[], askedAt: number) => void) | undefined
  /** The answer is recorded, or taken by onUnrecorded. */
  readonly onAnswered: (identifier: Identifier, answer: Answer) => void
  /** OpenFIGI could not be asked for these; told before they are given back. */
  readonly onFailed: (identifiers: readonly Identifier[], error: unknown) => void
}

/** So long what OpenFIGI answered is kept where the database is away; after that it is fetched again. */
const longestRecordMs = 600_000
const longestRecordPauseMs = 2_000

/** What becomes of claims: they are asked for, and each is recorded or given back. */
export class Rounds {
  readonly #options: RoundsOptions
  readonly #recorder: Recorder

  constructor(options: RoundsOptions) {
    this.#options = options
    const { sql, query } = options
    this.#recorder = new Recorder((answers, ageMs) => query(recordAnswers(sql, answers, ageMs)))
  }

  /** Rejects where an answer could not be recorded: its claims are still held then, and their lease runs out. */
  async run({ claimant, claims }: Batch): Promise<void> {
    const { openfigi, counting = countsNothing, onAnswered, signal } = this.#options
    let outcomes: Awaited<ReturnType<OpenFigi['fetchRound']>>
    try {
      // Claimed as the process began to end, which waits for no more than what was under way then.
      signal.throwIfAborted()
      outcomes = await openfigi.fetchRound(claims)
    } catch (error) {
      await this.#giveBack({ claimant, claims }, error)
      return
    }
    const answers: Answer[] = []
    let askedAt = monotonicNow()
    const failed = new Map<Error, Claim[]>()
    for (const [place, outcome] of outcomes.entries()) {
      const claim = claims[place] as Claim
      if (outcome.kind === 'failed') failed.set(outcome.error, [...(failed.get(outcome.error) ?? []), claim])
      else answers.push(answerOf(claim.identifier, outcome))
      if ('askedAt' in outcome) askedAt = Math.min(askedAt, outcome.askedAt)
    }
    countAnswers(counting, answers)
    for (const [error, claims] of failed) await this.#giveBack({ claimant, claims }, error)
    if (answers.length > 0) await this.#record(answers, askedAt)
    for (const answer of answers) {
      if (answer.outcome === 'unfiltered') continue
      onAnswered({ type: answer.identifier_type, value: answer.identifier_value }, answer)
    }
  }

  /** Writes a whole answer: as soon as the database is back, where it is away; at the end only once more. */
  async #record(answers: readonly Answer[], askedAt: number): Promise<void> {
    const { logger, onUnrecorded, signal } = this.#options
    for (let attempt = 1; ; attempt += 1) {
      const isLast = signal.aborted || monotonicNow() - askedAt > longestRecordMs
      try {
        await this.#recorder.record(answers, askedAt)
        return
      } catch (error) {
        if (!isAway(error)) throw error
        if (onUnrecorded) {
          onUnrecorded(answers, askedAt)
          return
        }
        if (isLast) throw error
        if (attempt === 1)
          logger.warn(
            { err: error },
            'The database is away; the answer is kept and written as soon as it is back',
          )
        await sleepFor(Math.min(2 ** attempt * 250, longestRecordPauseMs), signal).catch(() => {})
      }
    }
  }

  async #giveBack({ claimant, claims }: Batch, error: unknown): Promise<void> {
    const { sql, logger, query, signal, onFailed } = this.#options
    const identifiers = claims.map((claim) => claim.identifier)
    const isTold = !signal.aborted && !isAway(error)
    const message = messageOf(error)
    if (isTold) {
      logger.warn(
        { identifiers: identifiers.length, reason: message },
        'OpenFIGI could not be asked; trying again later',
      )
    }
    onFailed(identifiers, error)
    const reason = isTold ? message : null
    await query(releaseClaims(sql, claimant, identifiers, reason)).catch((fault) =>
      logger[isAway(fault) ? 'debug' : 'warn'](
        { err: fault },
        'Claims could not be given back; their lease will run out',
      ),
    )
  }
}
