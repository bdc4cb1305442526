import { setTimeout as sleep } from 'node:timers/promises'
import { within } from '../database/deadline.ts'
import { codeOf, explained, isAway } from '../database/faults.ts'

/** A batch that waits for the locks of another import takes its time. */
const deadlineMs = 600_000

const tries = 6
const firstPauseMs = 500

/** A deadlock, or a transaction that could not be serialised: the same again goes through. */
const passing = new Set(['40P01', '40001', '55P03'])

/**
 * Runs a query that may be run again: after a deadlock, and while the database is away, some seconds in all. Throws an error
 * that a person can act on.
 */
export async function persist<T>(query: () => PromiseLike<T>, signal?: AbortSignal): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await within(deadlineMs, 'The database', query())
    } catch (error) {
      const mayPass = isAway(error) || passing.has(codeOf(error) ?? '')
      if (!mayPass || tried === tries || signal?.aborted) throw explained(error)
      await sleep(firstPauseMs * 2 ** (tried - 1) * (0.5 + Math.random() / 2))
    }
  }
}
