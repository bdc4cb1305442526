import type { Dispatcher } from 'undici'
import { OpenFigiAnswerTooLargeError } from '../errors/openfigi_answer_too_large_error.ts'
import { OpenFigiRateLimitError } from '../errors/openfigi_rate_limit_error.ts'
import { messageOf } from '../message_of.ts'
import { monotonicNow } from '../monotonic.ts'
import { sleepFor } from '../waiting.ts'
import type { Answer } from './answer_schema.ts'
import type { Budget } from './budget.ts'
import type { Circuit } from './circuit.ts'
import type { MappingJob } from './jobs.ts'
import { type MappingResponse, postMapping } from './mapping_request.ts'
import { isOutage } from './outage.ts'

/** The part of a pino logger that is used here. */
export interface OpenFigiLogger {
  debug(fields: object, message: string): void
  warn(fields: object, message: string): void
}

/** One request as it went over the wire, for counters. */
export interface RequestInfo {
  readonly jobs: number
  /** As the server sent it, also with what is no answer; null where nothing came. */
  readonly status: number | null
  readonly milliseconds: number
  /** Null where every job has its answer. */
  readonly error: unknown
}

export interface RetryOptions {
  /** How often a request is sent in all where OpenFIGI fails, each time from a budget slot of its own. */
  readonly attempts: number
  /** The longest wait before the second attempt; it doubles from one to the next, up to `maxMs`. */
  readonly baseMs: number
  readonly maxMs: number
  /** How often a request may meet HTTP 429, which is no failure, before it is given up after all. */
  readonly rateLimits: number
}

export interface SendOptions {
  readonly url: URL
  readonly apiKey?: string | undefined
  readonly dispatcher: Dispatcher
  readonly timeoutMs: number
  readonly budget: Budget
  readonly circuit: Circuit
  readonly retries: RetryOptions
  /** How long all wait after a 429, or where nothing remains, and the server does not say how long. */
  readonly windowMs: number
  readonly logger?: OpenFigiLogger | undefined
  readonly onRequest?: ((info: RequestInfo) => void) | undefined
}

/** An answer, and when it was asked for (monotonicNow): it tells how things were at that time or later. */
export type AskedAnswer =
  | (Exclude<Answer, { kind: 'error' }> & { readonly askedAt: number })
  | Extract<Answer, { kind: 'error' }>

/** Sends the jobs in one request, so often at most, until they are answered or there is no point in going on. */
export async function sendJobs(
  options: SendOptions,
  jobs: readonly MappingJob[],
  signal: AbortSignal,
  attempts = options.retries.attempts,
): Promise<AskedAnswer[]> {
  const { budget, circuit, retries, windowMs, logger } = options
  let failures = 0
  let rateLimits = 0
  for (;;) {
    try {
      return await circuit.run(() => sendOnce(options, jobs, signal), signal)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof OpenFigiRateLimitError) {
        rateLimits += 1
        if (rateLimits > retries.rateLimits) throw error
        const wait = Math.max(error.retryAfterMs ?? windowMs, retries.baseMs)
        logger?.warn({ waitMs: wait }, error.message)
        await blockBudget(budget, wait, signal, logger)
      } else {
        failures += 1
        const isHopeless = !isOutage(error) || error instanceof OpenFigiAnswerTooLargeError
        if (isHopeless || failures >= attempts) throw error
        const waitMs = pauseAfter(failures, retries)
        logger?.warn({ waitMs, failures }, messageOf(error))
        await sleepFor(waitMs, signal)
      }
    }
  }
}

async function sendOnce(
  options: SendOptions,
  jobs: readonly MappingJob[],
  signal: AbortSignal,
): Promise<AskedAnswer[]> {
  const { budget, circuit, windowMs, logger } = options
  await budget.acquire(signal)
  circuit.throwIfOpen()
  const askedAt = monotonicNow()
  const { answers, rateLimit } = await postAndReport(options, jobs, signal)
  if (rateLimit.remaining === 0) {
    // What is answered is answered, whatever becomes of the budget.
    await budget.exhausted(rateLimit.resetMs ?? windowMs).catch((error) => {
      logger?.warn({}, `The budget could not be told that nothing remains: ${messageOf(error)}`)
    })
  }
  return answers.map((answer) => (answer.kind === 'error' ? answer : { ...answer, askedAt }))
}

async function postAndReport(
  options: SendOptions,
  jobs: readonly MappingJob[],
  signal: AbortSignal,
): Promise<MappingResponse> {
  const started = performance.now()
  let status: number | null = null
  const report = (error: unknown) => {
    const info = { jobs: jobs.length, status, milliseconds: performance.now() - started, error }
    options.logger?.debug({ jobs: info.jobs, status, milliseconds: info.milliseconds }, 'OpenFIGI request')
    try {
      options.onRequest?.(info)
    } catch (fault) {
      options.logger?.warn({}, `onRequest threw: ${messageOf(fault)}`)
    }
  }
  try {
    const response = await postMapping({
      ...options,
      jobs,
      signal,
      onStatus: (code) => {
        status = code
      },
    })
    report(null)
    return response
  } catch (error) {
    report(error)
    throw error
  }
}

/** Where the shared budget cannot be told, at least this one request waits. */
async function blockBudget(
  budget: Budget,
  wait: number,
  signal: AbortSignal,
  logger?: OpenFigiLogger,
): Promise<void> {
  try {
    await budget.block(wait)
  } catch (error) {
    logger?.warn({}, `The budget could not be blocked: ${messageOf(error)}`)
    await sleepFor(wait, signal)
  }
}

/** Exponential, with full jitter: what has failed together does not come again together. */
function pauseAfter(failures: number, { baseMs, maxMs }: RetryOptions): number {
  return Math.random() * Math.min(maxMs, baseMs * 2 ** (failures - 1))
}
