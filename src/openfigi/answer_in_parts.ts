import { OpenFigiPayloadTooLargeError } from '../errors/openfigi_payload_too_large_error.ts'
import { OpenFigiRequestError } from '../errors/openfigi_request_error.ts'
import { PgfigiError } from '../errors/pgfigi_error.ts'
import { isOutage } from './outage.ts'
import type { AskedAnswer } from './send_jobs.ts'

/** No answer: this part of the round failed. Nothing is known, and nothing about the identifier is wrong. */
export interface Failed {
  kind: 'failed'
  error: Error
}

export interface PartsOptions<Item> {
  /** Sends one part; the answers are in the order of its items. */
  readonly send: (part: readonly Item[], signal: AbortSignal) => Promise<AskedAnswer[]>
  /** The most items in a part. Lowered here when the server finds a part too large, for whoever shares the object. */
  readonly limit: { jobsPerRequest: number }
  /** How many parts are under way at once. */
  readonly concurrency: number
  /** Aborted here when an error stops the whole round. */
  readonly round: AbortController
}

/**
 * Answers all items, in their order, in as many parts as it takes. A part that is too large (413) is cut in halves, and so
 * is one that holds a bad job (400), down to that job, which becomes an error of its own. Where a part fails for good,
 * its items are 'failed' and the others keep their answers.
 */
export async function answerInParts<Item>(
  items: readonly Item[],
  { send, limit, concurrency, round }: PartsOptions<Item>,
): Promise<(AskedAnswer | Failed)[]> {
  const results = new Map<number, AskedAnswer | Failed>()
  const parts = [[...items.entries()]]

  const takePart = () => {
    const part = parts.shift() ?? []
    const size = limit.jobsPerRequest
    if (part.length > size) parts.unshift(part.slice(size))
    return part.slice(0, size)
  }

  const settle = (part: [number, Item][], resultOf: (index: number) => AskedAnswer | Failed) => {
    for (const [index, [place]] of part.entries()) results.set(place, resultOf(index))
  }

  async function answerPart(part: [number, Item][]): Promise<void> {
    const half = Math.ceil(part.length / 2)
    try {
      const answers = await send(
        part.map(([, item]) => item),
        round.signal,
      )
      settle(part, (index) => answers[index] as AskedAnswer)
    } catch (error) {
      if (isAboutTheJobs(error) && part.length === 1) {
        settle(part, () => ({ kind: 'error', message: error.message }))
      } else if (error instanceof OpenFigiPayloadTooLargeError) {
        limit.jobsPerRequest = Math.min(limit.jobsPerRequest, half)
        parts.unshift(part)
      } else if (isAboutTheJobs(error)) {
        parts.unshift(part.slice(0, half), part.slice(half))
      } else {
        settle(part, () => failed(error))
        // An outage may be over for the next part; whatever else it is will meet every part.
        if (!isOutage(error)) round.abort(error)
      }
    }
  }

  async function work(): Promise<void> {
    while (parts.length > 0 && !round.signal.aborted) await answerPart(takePart())
  }

  const workers = Math.min(concurrency, Math.ceil(items.length / limit.jobsPerRequest))
  await Promise.all(Array.from({ length: workers }, work))
  return items.map((_, place) => results.get(place) ?? failed(round.signal.reason))
}

/** HTTP 413 and 400: smaller parts tell which job it is. */
function isAboutTheJobs(error: unknown): error is PgfigiError {
  return (
    error instanceof OpenFigiPayloadTooLargeError ||
    (error instanceof OpenFigiRequestError && error.status === 400)
  )
}

function failed(reason: unknown): Failed {
  return { kind: 'failed', error: reason instanceof Error ? reason : new PgfigiError(String(reason)) }
}
