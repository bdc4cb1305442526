import { isAway } from '../database/faults.ts'
import { OpenFigiUnavailableError } from '../errors/openfigi_unavailable_error.ts'
import type { Fetcher } from '../pipeline/fetcher.ts'
import { sleepFor } from '../waiting.ts'

const pauseMs = 1_000

/** Fetches until nothing is left to claim, and waits for a database or an OpenFIGI that is away: a job that failed then could not even say so. */
export async function drainPatiently(fetcher: Fetcher, signal?: AbortSignal): Promise<void> {
  while (!signal?.aborted) {
    try {
      await fetcher.drain()
      return
    } catch (error) {
      if (!isAway(error) && !(error instanceof OpenFigiUnavailableError)) throw error
      await sleepFor(pauseMs, signal).catch(() => {})
    }
  }
}
