import type { Counting } from '../counting/tally.ts'
import { answered } from '../database/answered.ts'
import type { Sql } from '../database/connect.ts'
import { queryDeadlineMs } from '../database/deadline.ts'
import { explained, isAway } from '../database/faults.ts'
import { type Answer, claimRequests, nextClaimInMs, pendingOf, renewClaims } from '../database/requests.ts'
import { OpenFigiAuthError } from '../errors/openfigi_auth_error.ts'
import { OpenFigiUnavailableError } from '../errors/openfigi_unavailable_error.ts'
import type { Identifier } from '../identifiers.ts'
import type { Logger } from '../log.ts'
import type { OpenFigi } from '../openfigi/fetch_round.ts'
import { sleepFor } from '../waiting.ts'
import type { Gate } from './gate.ts'
import { Leases } from './leases.ts'
import { type Batch, Rounds } from './rounds.ts'
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

/** Claimed together where so many slots are open; the next look at the queue is never far. */
const requestsAtOnce = 10

/** Full requests that are claimed before their slots open, so that they go in the very moment. */
const requestsAhead = 2

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
  readonly #rounds: Rounds
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
    this.#rounds = new Rounds({
      ...options,
      query: (query) => this.#query(query),
      signal: this.#stop.signal,
      onAnswered: (identifier, answer) => this.#wanted.settle(identifier, answer),
      onFailed: (identifiers, error) => this.#fail(identifiers, error),
    })
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
      this.#failAll(error)
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
    const request = this.#rounds
      .run(batch)
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

  /** Tells whoever waits for these, or everybody where OpenFIGI answers nothing now; the next claim waits a while. */
  #fail(identifiers: readonly Identifier[], error: unknown): void {
    const isUnavailable = error instanceof OpenFigiUnavailableError
    const pauseMs = isUnavailable ? error.retryAfterMs : 250
    this.#pausedUntil = Math.max(this.#pausedUntil, performance.now() + pauseMs)
    if (isUnavailable || error instanceof OpenFigiAuthError) this.#failAll(error)
    else for (const identifier of identifiers) this.#wanted.fail(identifier, error)
  }

  #failAll(error: unknown): void {
    this.#wanted.failAll(error)
    this.#drain?.reject(error)
    this.#drain = null
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
