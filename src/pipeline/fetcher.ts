import { type Counting, countsNothing } from '../counting/tally.ts'
import { answered } from '../database/answered.ts'
import type { Sql } from '../database/connect.ts'
import { queryDeadlineMs } from '../database/deadline.ts'
import { explained, isAway } from '../database/faults.ts'
import {
  type Answer,
  type Claim,
  claimRequests,
  nextClaimInMs,
  pendingOf,
  recordAnswers,
  releaseClaims,
  renewClaims,
} from '../database/requests.ts'
import { OpenFigiAuthError } from '../errors/openfigi_auth_error.ts'
import { OpenFigiUnavailableError } from '../errors/openfigi_unavailable_error.ts'
import type { Identifier } from '../identifiers.ts'
import type { Logger } from '../log.ts'
import { messageOf } from '../message_of.ts'
import { monotonicNow } from '../monotonic.ts'
import type { OpenFigi } from '../openfigi/fetch_round.ts'
import { sleepFor } from '../waiting.ts'
import { answerOf, countAnswers } from './answers.ts'
import type { Gate } from './gate.ts'
import { Leases } from './leases.ts'
import { Recorder } from './recorder.ts'
import { type Fetched, keyOf, Wanted } from './wanted.ts'

export interface FetcherOptions {
  readonly sql: Sql
  readonly openfigi: OpenFigi
  /** The gate in front of the budget that `openfigi` takes its slots from. */
  readonly gate: Gate
  readonly logger: Logger
  readonly counting?: Counting | undefined
  /** Requests under way at once, so that latency does not cost throughput. */
  readonly maxInFlight: number
  /** How long others leave our claims alone after we have died. */
  readonly leaseMs?: number | undefined
  /** A database query that takes longer counts as "the database is away". */
  readonly queryTimeoutMs?: number | undefined
  /** Takes answers that could not be written because the database is away. Without it they are fetched again later. */
  readonly onUnrecorded?: ((answers: readonly Answer[], askedAt: number) => void) | undefined
}

const shortestPollMs = 50
const longestPollMs = 250

/** So long what OpenFIGI answered is kept where the database is away; after that it is fetched again. */
const longestRecordMs = 600_000
const longestRecordPauseMs = 2_000

/** Claimed together where so many slots are open; the next look at the queue is never far. */
const requestsAtOnce = 10

/** Full requests that are claimed before their slots open, so that they go in the very moment. */
const requestsAhead = 2

/** Claims that travel in one request. */
interface Batch {
  readonly claimant: string
  readonly claims: readonly Claim[]
}

/** Enough for ten requests; the rest has its turn when these are claimed. */
const wantedAtOnce = 1000

/**
 * Claims requests from the database, fetches them, records the answers: the loop that the worker's task and the client
 * share. One loop runs in a process, as long as anybody wants something from it.
 */
export class Fetcher {
  readonly #options: FetcherOptions
  readonly #leaseMs: number
  readonly #leases: Leases
  readonly #recorder: Recorder
  readonly #wanted = new Wanted()
  readonly #underWay = new Set<Promise<void>>()
  readonly #claimed = new Map<string, Identifier>()
  readonly #stop = new AbortController()
  #drain: PromiseWithResolvers<void> | null = null
  #loop: Promise<void> | null = null
  #wake: PromiseWithResolvers<void> = Promise.withResolvers()
  #isPoked = false
  #pausedUntil = 0

  constructor(options: FetcherOptions) {
    this.#options = options
    this.#recorder = new Recorder((answers, ageMs) => this.#query(recordAnswers(options.sql, answers, ageMs)))
    this.#leaseMs = options.leaseMs ?? 30_000
    this.#leases = new Leases({ leaseMs: this.#leaseMs, renew: (claimants) => this.#renew(claimants) })
  }

  /**
   * The answer for an identifier whose fetch has been requested in the database: an Answer where we fetched it, null where
   * another process did. Rejects where OpenFIGI or the database could not be asked.
   */
  want(identifier: Identifier): Promise<Fetched> {
    if (this.#stop.signal.aborted) {
      const refused = Promise.reject(this.#stop.signal.reason)
      refused.catch(() => {})
      return refused
    }
    const answer = this.#wanted.add(identifier)
    this.#start()
    return answer
  }

  /**
   * Fetches until nothing is left to claim, by us or, when their leases run out, of others. Rejects where OpenFIGI cannot be
   * reached or refuses the key; the requests wait on.
   */
  drain(): Promise<void> {
    if (this.#stop.signal.aborted) return Promise.resolve()
    this.#drain ??= Promise.withResolvers()
    this.#start()
    return this.#drain.promise
  }

  /** Whether a drain runs already; the running one takes along what has been requested since. */
  get isDraining(): boolean {
    return this.#drain !== null
  }

  /** Tells the loop that there may be something new. */
  poke(): void {
    this.#isPoked = true
    this.#wake.resolve()
  }

  /** Claims no more, gives requests under way so long to end, then gives their identifiers back. */
  async close(graceMs = 5_000): Promise<void> {
    const ended = Promise.allSettled([...this.#underWay])
    const reason = new Error('pgfigi is closing')
    this.#stop.abort(reason)
    this.#wake.resolve()
    const timer = new AbortController()
    await Promise.race([ended, sleepFor(graceMs, timer.signal).catch(() => {})])
    timer.abort()
    await this.#options.openfigi.close()
    // The loop first: a claim that was under way is still sent, to be refused and given back.
    await this.#loop
    await Promise.allSettled([...this.#underWay])
    this.#wanted.failAll(reason)
    this.#drain?.resolve()
    this.#drain = null
  }

  #start(): void {
    this.poke()
    this.#loop ??= this.#run().finally(() => {
      this.#loop = null
      if (!this.#stop.signal.aborted && (this.#wanted.size > 0 || this.#drain)) this.#start()
    })
  }

  async #run(): Promise<void> {
    // What is asked for in the same tick belongs together.
    await new Promise((resolve) => setImmediate(resolve))
    let pollMs = shortestPollMs
    try {
      while (!this.#stop.signal.aborted && (this.#wanted.size > 0 || this.#drain)) {
        this.#wake = Promise.withResolvers()
        this.#isPoked = false
        await this.#roomForOneMore()
        if (this.#stop.signal.aborted) break
        const batches = await this.#claim()
        if (batches.length > 0) {
          for (const batch of batches) this.#send(batch)
          pollMs = shortestPollMs
          continue
        }
        await this.#settleWhatOthersFetched()
        const waitMs = await this.#waitForMore(pollMs)
        if (waitMs === null) break
        await Promise.race([this.#wake.promise, sleepFor(waitMs, this.#stop.signal).catch(() => {})])
        pollMs = Math.min(pollMs * 2, longestPollMs)
      }
    } catch (error) {
      this.#wanted.failAll(error)
      this.#drain?.reject(error)
      this.#drain = null
    }
  }

  /** Claims are made late, when their requests can go at once: so they are full, and what is urgent overtakes. */
  async #roomForOneMore(): Promise<void> {
    const pauseMs = this.#pausedUntil - performance.now()
    if (pauseMs > 0) await sleepFor(pauseMs, this.#stop.signal).catch(() => {})
    await this.#options.gate.idle()
    while (this.#underWay.size >= this.#options.maxInFlight) await Promise.race(this.#underWay)
  }

  async #claim(): Promise<Batch[]> {
    const { sql, gate, openfigi, maxInFlight } = this.#options
    const unclaimed = this.#drain ? null : this.#unclaimed()
    if (unclaimed?.length === 0) return []
    const size = openfigi.jobsPerRequest
    const useful = unclaimed ? unclaimed.length / size : requestsAtOnce
    const room = Math.max(await gate.openSlots(), Math.min(requestsAhead, Math.floor(useful)))
    const claimant = this.#leases.claimant()
    const claims = await this.#query(
      claimRequests(sql, {
        claimant,
        requests: Math.max(
          Math.min(room, Math.ceil(useful), requestsAtOnce, maxInFlight - this.#underWay.size),
          1,
        ),
        jobsPerRequest: size,
        leaseMs: this.#leaseMs,
        wanted: unclaimed,
      }),
    )
    for (const { identifier } of claims) this.#claimed.set(keyOf(identifier), identifier)
    const batches: Batch[] = []
    for (let start = 0; start < claims.length; start += size) {
      batches.push({ claimant, claims: claims.slice(start, start + size) })
    }
    return batches
  }

  /** The first that callers here wait for and that we have not claimed. */
  #unclaimed(): Identifier[] {
    return this.#wanted.first(wantedAtOnce, (identifier) => !this.#claimed.has(keyOf(identifier)))
  }

  /** How long to wait before the next look, where nothing can be claimed now; null where the drain is done and nobody waits. */
  async #waitForMore(pollMs: number): Promise<number | null> {
    if (this.#wanted.size > 0) return pollMs
    if (!this.#drain) return null
    if (this.#underWay.size > 0) return longestPollMs
    const nextMs = await this.#query(nextClaimInMs(this.#options.sql))
    if (nextMs !== null) return Math.min(Math.max(nextMs, shortestPollMs * 2), 1000)
    // Whoever poked takes it that the drain goes on, and asked for something that this query did not see yet.
    if (this.#isPoked) return 0
    this.#drain.resolve()
    this.#drain = null
    return null
  }

  async #settleWhatOthersFetched(): Promise<void> {
    const asked = this.#unclaimed()
    if (asked.length === 0) return
    const pending = new Set((await this.#query(pendingOf(this.#options.sql, asked))).map(keyOf))
    for (const identifier of asked) {
      if (!pending.has(keyOf(identifier)) && !this.#claimed.has(keyOf(identifier)))
        this.#wanted.settle(identifier, null)
    }
  }

  #send(batch: Batch): void {
    this.#leases.hold(batch.claimant)
    const request = this.#fetchAndRecord(batch)
      .catch((error) => {
        const { logger } = this.#options
        if (isAway(error)) {
          logger.warn(
            { reason: error.message },
            'An answer could not be recorded: the database is away. It is fetched again',
          )
        } else logger.error({ err: error }, 'A fetch ended unexpectedly; its lease will run out')
        // Whoever waits is told: the next fetch may end in the same way, as where the database refuses what is written.
        for (const { identifier } of batch.claims) this.#wanted.fail(identifier, explained(error))
      })
      .finally(() => {
        for (const { identifier } of batch.claims) this.#claimed.delete(keyOf(identifier))
        this.#leases.letGo(batch.claimant)
        this.#underWay.delete(request)
        this.#wake.resolve()
      })
    this.#underWay.add(request)
  }

  async #fetchAndRecord({ claimant, claims }: Batch): Promise<void> {
    const { openfigi } = this.#options
    let outcomes: Awaited<ReturnType<OpenFigi['fetchRound']>>
    try {
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
    countAnswers(this.#options.counting ?? countsNothing, answers)
    for (const [error, claims] of failed) await this.#giveBack({ claimant, claims }, error)
    if (answers.length > 0) await this.#record(answers, askedAt)
    for (const answer of answers) {
      if (answer.outcome === 'unfiltered') continue
      this.#wanted.settle({ type: answer.identifier_type, value: answer.identifier_value }, answer)
    }
  }

  /** Writes a whole answer: as soon as the database is back, where it is away; at the end only once more. */
  async #record(answers: readonly Answer[], askedAt: number): Promise<void> {
    const { logger, onUnrecorded } = this.#options
    for (let attempt = 1; ; attempt += 1) {
      const isLast = this.#stop.signal.aborted || monotonicNow() - askedAt > longestRecordMs
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
        await sleepFor(Math.min(2 ** attempt * 250, longestRecordPauseMs), this.#stop.signal).catch(() => {})
      }
    }
  }

  async #giveBack({ claimant, claims }: Batch, error: unknown): Promise<void> {
    const { sql, logger } = this.#options
    const identifiers = claims.map((claim) => claim.identifier)
    const isClosing = this.#stop.signal.aborted
    const isDatabase = isAway(error)
    const message = messageOf(error)
    if (!isClosing && !isDatabase) {
      logger.warn(
        { identifiers: identifiers.length, reason: message },
        'OpenFIGI could not be asked; trying again later',
      )
    }
    const pauseMs = error instanceof OpenFigiUnavailableError ? error.retryAfterMs : 250
    this.#pausedUntil = Math.max(this.#pausedUntil, performance.now() + pauseMs)
    const stopsEverything = error instanceof OpenFigiUnavailableError || error instanceof OpenFigiAuthError
    if (stopsEverything) this.#wanted.failAll(error)
    else for (const identifier of identifiers) this.#wanted.fail(identifier, error)
    if (stopsEverything) {
      this.#drain?.reject(error)
      this.#drain = null
    }
    const reason = isClosing || isDatabase ? null : message
    await this.#query(releaseClaims(sql, claimant, identifiers, reason)).catch((fault) =>
      logger[isAway(fault) ? 'debug' : 'warn'](
        { err: fault },
        'Claims could not be given back; their lease will run out',
      ),
    )
  }

  async #renew(claimants: readonly string[]): Promise<void> {
    await this.#query(renewClaims(this.#options.sql, claimants, this.#leaseMs)).catch((error) =>
      this.#options.logger[isAway(error) ? 'debug' : 'warn']({ err: error }, 'Leases could not be renewed'),
    )
  }

  #query<T>(query: PromiseLike<T>): Promise<T> {
    return answered(this.#options.sql, this.#options.queryTimeoutMs ?? queryDeadlineMs, query)
  }
}
