import { Agent, type Dispatcher } from 'undici'
import { InvalidSettingError } from '../errors/invalid_setting_error.ts'
import { PgfigiError } from '../errors/pgfigi_error.ts'
import type { Identifier } from '../identifiers.ts'
import { childController } from '../waiting.ts'
import { answerInParts, type Failed } from './answer_in_parts.ts'
import { parseApiUrl } from './api_url.ts'
import type { Budget } from './budget.ts'
import { type CircuitOptions, createCircuit } from './circuit.ts'
import { firstMarket, mappingJob } from './jobs.ts'
import { type Choice, chooseListing, type Listing } from './listing.ts'
import type { ListingPreference } from './markets.ts'
import {
  type AskedAnswer,
  type OpenFigiLogger,
  type RequestInfo,
  type RetryOptions,
  sendJobs,
} from './send_jobs.ts'

export interface RoundRequest {
  readonly identifier: Identifier
  /** Ask in all markets, because the first market had no listing. */
  readonly unfiltered: boolean
}

/** What came out for one identifier, and when it was asked for (monotonicNow): so it was at that time or later. */
export type Outcome =
  /** alternatives: the rivals, [] where unambiguous. */
  | { kind: 'listing'; listing: Choice['listing']; alternatives: Listing[]; askedAt: number }
  /** "No identifier found." filtered: a market filter was on, so ask again unfiltered. */
  | { kind: 'none'; filtered: boolean; askedAt: number }
  /** An error for this one job; never a negative. */
  | { kind: 'error'; message: string }

export type { Failed }

export interface OpenFigiOptions {
  readonly url: string | URL
  readonly apiKey?: string | undefined
  /** Where to send requests through; without it an Agent of its own, which `close` destroys. */
  readonly dispatcher?: Dispatcher | undefined
  readonly timeoutMs?: number | undefined
  readonly jobsPerRequest: number
  readonly preference: ListingPreference
  readonly budget: Budget
  readonly retries?: Partial<RetryOptions> | undefined
  readonly circuit?: Partial<CircuitOptions> | undefined
  /** How many requests of one round are under way at once, so that latency does not cost throughput. */
  readonly concurrency?: number | undefined
  /** How long all wait after a 429 that does not say how long. */
  readonly windowMs?: number | undefined
  readonly logger?: OpenFigiLogger | undefined
  readonly onRequest?: ((info: RequestInfo) => void) | undefined
}

export interface OpenFigi extends AsyncDisposable {
  /** The most jobs that one request carries; smaller than configured once the server has refused that many. */
  readonly jobsPerRequest: number
  /** The market that the first request for this identifier is filtered by; null: it is not filtered. */
  firstMarketOf(identifier: Identifier): string | null
  /**
   * One outcome for each request, in their order. Where a part of the round fails, what the others brought is kept, and
   * the entries of that part are 'failed'. Throws only where not one request got an outcome: the error that stopped the
   * round, or the signal's reason.
   */
  fetchRound(requests: readonly RoundRequest[], signal?: AbortSignal): Promise<(Outcome | Failed)[]>
  /** Ends whatever is under way. */
  close(): Promise<void>
}

/** OpenFIGI as the rest of pgfigi sees it: identifiers in, listings out, at the pace that the budget allows. */
export function createOpenFigi(options: OpenFigiOptions): OpenFigi {
  const { preference, concurrency = 8, timeoutMs = 30_000 } = options
  const apiKey = checkApiKey(options.apiKey)
  const ownAgent = options.dispatcher ? null : createAgent(timeoutMs)
  const sendOptions = {
    url: parseApiUrl(String(options.url)),
    apiKey,
    dispatcher: options.dispatcher ?? (ownAgent as Agent),
    timeoutMs,
    budget: options.budget,
    circuit: createCircuit({ failures: 10, halfOpenAfterMs: 5_000, ...options.circuit }),
    retries: { attempts: 4, baseMs: 250, maxMs: 8_000, rateLimits: 5, ...options.retries },
    windowMs: options.windowMs ?? (apiKey ? 7_000 : 70_000),
    logger: options.logger,
    onRequest: options.onRequest,
  }
  const limit = { jobsPerRequest: checkJobsPerRequest(options.jobsPerRequest) }
  let closed = false
  let answered = 0
  const rounds = new Set<AbortController>()

  const marketOf = (request: RoundRequest) =>
    request.unfiltered ? null : firstMarket(request.identifier, preference)

  const jobOf = (request: RoundRequest) => mappingJob(request.identifier, marketOf(request))

  /** Chosen as soon as it is there: what is not kept of many megabytes need not wait for the end of the round. */
  function outcomeOf(answer: AskedAnswer, request: RoundRequest): Outcome {
    if (answer.kind === 'error') return answer
    const { askedAt } = answer
    if (answer.kind === 'none') return { kind: 'none', filtered: marketOf(request) !== null, askedAt }
    const choice = chooseListing(answer.listings, { preference, identifier: request.identifier })
    return choice
      ? { kind: 'listing', ...choice, askedAt }
      : { kind: 'error', message: 'OpenFIGI knows the identifier but gave no ticker' }
  }

  async function fetchRound(
    requests: readonly RoundRequest[],
    signal?: AbortSignal,
  ): Promise<(Outcome | Failed)[]> {
    if (closed) throw closedError()
    const { controller: round, release } = childController(signal)
    rounds.add(round)
    try {
      const outcomes = await answerInParts<RoundRequest, Outcome>(requests, {
        async send(part, signal, once) {
          const answers = await sendJobs(sendOptions, part.map(jobOf), signal, once ? 1 : undefined)
          answered += 1
          return answers.map((answer, place) => outcomeOf(answer, part[place] as RoundRequest))
        },
        limit,
        answered: () => answered,
        concurrency,
        round,
      })
      const failure = outcomes.find((outcome) => outcome.kind === 'failed')
      if (failure && outcomes.every((outcome) => outcome.kind === 'failed')) {
        throw round.signal.aborted ? round.signal.reason : failure.error
      }
      return outcomes
    } finally {
      rounds.delete(round)
      release()
    }
  }

  async function close(): Promise<void> {
    closed = true
    for (const round of rounds) round.abort(closedError())
    await ownAgent?.destroy()
  }

  return {
    get jobsPerRequest() {
      return limit.jobsPerRequest
    },
    firstMarketOf: (identifier) => firstMarket(identifier, preference),
    fetchRound,
    close,
    [Symbol.asyncDispose]: close,
  }
}

function closedError(): PgfigiError {
  return new PgfigiError('This OpenFIGI connection is closed')
}

/**
 * HTTP/1.1 alone: it is what the recorded traffic used, and a handful of connections at most is open. Certificates are
 * checked, whatever NODE_TLS_REJECT_UNAUTHORIZED says, for the key travels with every request; NODE_EXTRA_CA_CERTS adds
 * authorities. No proxy of the environment is used.
 */
function createAgent(timeoutMs: number): Agent {
  return new Agent({
    allowH2: false,
    connect: { timeout: Math.min(timeoutMs, 10_000), rejectUnauthorized: true },
  })
}

/** Checked here, because it would otherwise fail only with the first request, as if the network were to blame. */
function checkApiKey(apiKey: string | undefined): string | undefined {
  if (!apiKey) return undefined
  if (/^[\x21-\x7e]+$/.test(apiKey)) return apiKey
  throw new InvalidSettingError(
    'OPENFIGI_API_KEY',
    'holds a blank or a character that cannot be sent in a header',
  )
}

function checkJobsPerRequest(jobs: number): number {
  if (Number.isSafeInteger(jobs) && jobs > 0) return jobs
  throw new InvalidSettingError('OPENFIGI_JOBS_PER_REQUEST', 'must be a positive integer')
}
