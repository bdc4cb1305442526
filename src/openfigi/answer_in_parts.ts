import { OpenFigiAnswerTooLargeError } from '../errors/openfigi_answer_too_large_error.ts'
import { OpenFigiPayloadTooLargeError } from '../errors/openfigi_payload_too_large_error.ts'
import { OpenFigiRequestError } from '../errors/openfigi_request_error.ts'
import { OpenFigiServerError } from '../errors/openfigi_server_error.ts'
import { OpenFigiTransportError } from '../errors/openfigi_transport_error.ts'
import { PgfigiError } from '../errors/pgfigi_error.ts'
import { isOutage } from './outage.ts'

/** No answer: this part of the round failed. Nothing is known, and nothing about the identifier is wrong. */
export interface Failed {
  kind: 'failed'
  error: Error
}

/** An error for one item alone. */
export interface ItemError {
  kind: 'error'
  message: string
}

export interface PartsOptions<Item, Answered> {
  /** Sends one part, once or as often as it makes sense; the answers are in the order of its items. */
  readonly send: (part: readonly Item[], signal: AbortSignal, once: boolean) => Promise<Answered[]>
  /** The most items in a part. Lowered here when the server finds a part too large, for whoever shares the object. */
  readonly limit: { jobsPerRequest: number }
  /** How many answers there have been, to anybody: where it grows, the server is alive. */
  readonly answered: () => number
  /** How many parts are under way at once. */
  readonly concurrency: number
  /** Aborted here when an error stops the whole round. */
  readonly round: AbortController
}

interface Part<Item> {
  /** With their places. */
  readonly items: readonly (readonly [number, Item])[]
  /** How many answers there had been when it was first sent within a larger part, which failed; null for a part as it came. */
  readonly failedAt: number | null
}

/**
 * Answers all items, in their order, in as many parts as it takes. A part that is too large (413) is cut in halves, and so
 * is one that holds a bad job (400), down to that job, which becomes an error of its own. So is one that OpenFIGI fails
 * over (5xx, an endless answer, silence while others are answered): one job must not keep ninety-nine others from their
 * answers for ever. In an outage the circuit soon ends that search. An answer that is not one element a job cuts nothing:
 * to a single job it would seem to fit. Where a part fails for good, its items are 'failed' and the others keep their answers.
 */
export async function answerInParts<Item, Answered>(
  items: readonly Item[],
  { send, limit, answered, concurrency, round }: PartsOptions<Item, Answered>,
): Promise<(Answered | ItemError | Failed)[]> {
  const results = new Map<number, Answered | ItemError | Failed>()
  const parts: Part<Item>[] = [{ items: [...items.entries()], failedAt: null }]

  const takePart = (): Part<Item> => {
    const { items = [], failedAt = null } = parts.shift() ?? {}
    const size = limit.jobsPerRequest
    if (items.length > size) parts.unshift({ items: items.slice(size), failedAt })
    return { items: items.slice(0, size), failedAt }
  }

  const halvesOf = ({ items }: Part<Item>, failedAt: number | null): Part<Item>[] => {
    const half = Math.ceil(items.length / 2)
    return [
      { items: items.slice(0, half), failedAt },
      { items: items.slice(half), failedAt },
    ]
  }

  const settle = (part: Part<Item>, resultOf: (index: number) => Answered | ItemError | Failed) => {
    for (const [index, [place]] of part.items.entries()) results.set(place, resultOf(index))
  }

  async function answerPart(part: Part<Item>): Promise<void> {
    const failedAt = part.failedAt ?? answered()
    const isAlone = part.items.length === 1
    const mayBeOneJob = (error: unknown) =>
      error instanceof OpenFigiServerError ||
      error instanceof OpenFigiAnswerTooLargeError ||
      (error instanceof OpenFigiTransportError && answered() > failedAt)
    try {
      const answers = await send(
        part.items.map(([, item]) => item),
        round.signal,
        part.failedAt !== null && !isAlone,
      )
      settle(part, (index) => answers[index] as Answered)
    } catch (error) {
      if (isAlone && (isAboutTheJobs(error) || (mayBeOneJob(error) && answered() > failedAt))) {
        settle(part, () => ({ kind: 'error', message: (error as Error).message }))
      } else if (error instanceof OpenFigiPayloadTooLargeError) {
        limit.jobsPerRequest = Math.min(limit.jobsPerRequest, Math.ceil(part.items.length / 2))
        parts.unshift(part)
      } else if (isAboutTheJobs(error)) {
        parts.unshift(...halvesOf(part, part.failedAt))
      } else if (mayBeOneJob(error) && !isAlone) {
        // Behind the others: what they bring tells an outage from a bad job.
        parts.push(...halvesOf(part, failedAt))
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
function isAboutTheJobs(error: unknown): boolean {
  return (
    error instanceof OpenFigiPayloadTooLargeError ||
    (error instanceof OpenFigiRequestError && error.status === 400)
  )
}

function failed(reason: unknown): Failed {
  return { kind: 'failed', error: reason instanceof Error ? reason : new PgfigiError(String(reason)) }
}
