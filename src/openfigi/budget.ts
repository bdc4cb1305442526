import { orAborted, type Sleep, sleepFor } from '../waiting.ts'

/** Who may send a request, and when. Everybody who shares an OpenFIGI key shares one budget. */
export interface Budget {
  /** Resolves when one request may be sent, now. Rejects when the signal aborts. */
  acquire(signal?: AbortSignal): Promise<void>
  /** Nobody who shares the budget sends anything for so many milliseconds (429, or nothing remaining). */
  block(milliseconds: number): Promise<void>
  /** The server says that nothing remains for so many milliseconds: a block, unless our own log accounts for the full window. */
  exhausted(milliseconds: number): Promise<void>
}

export interface InProcessBudgetOptions {
  /** How many requests may be sent within any window. */
  readonly capacity: number
  readonly windowMs: number
  /** A clock in milliseconds that never goes back. */
  readonly now?: () => number
  readonly sleep?: Sleep
}

/**
 * The budget of a single process: a log of the last `capacity` send times, so that no window of `windowMs`, wherever it
 * begins, holds more than `capacity` of them. (A token bucket allows nearly twice as many where a burst meets a refill.)
 *
 * Slots are handed out in the order in which they were asked for. Only the first in the queue looks at the clock, and it
 * looks again whenever it wakes: so a block is obeyed by those who wait already, and whoever gives up costs no slot.
 */
export function createInProcessBudget(options: InProcessBudgetOptions): Budget {
  const { capacity, windowMs, now = () => performance.now(), sleep = sleepFor } = options
  if (!Number.isSafeInteger(capacity) || capacity < 1)
    throw new RangeError('capacity must be a positive integer')
  if (!Number.isFinite(windowMs) || windowMs <= 0) throw new RangeError('windowMs must be a positive number')

  const sends: number[] = []
  let blockedUntil = Number.NEGATIVE_INFINITY
  let lastInQueue: Promise<unknown> = Promise.resolve()

  /** When the send before the last `capacity - 1` leaves the window; in the past where the log is not full. */
  const windowFreeAt = () => {
    const oldest = sends.length < capacity ? undefined : sends[0]
    return oldest === undefined ? Number.NEGATIVE_INFINITY : oldest + windowMs
  }

  async function takeSlot(signal?: AbortSignal): Promise<void> {
    for (;;) {
      signal?.throwIfAborted()
      const time = now()
      const wait = Math.max(blockedUntil, windowFreeAt()) - time
      if (wait <= 0) {
        sends.push(time)
        if (sends.length > capacity) sends.shift()
        return
      }
      await sleep(wait, signal)
    }
  }

  async function block(milliseconds: number): Promise<void> {
    if (milliseconds > 0) blockedUntil = Math.max(blockedUntil, now() + milliseconds)
  }

  return {
    acquire(signal) {
      const turn = lastInQueue.then(() => takeSlot(signal))
      lastInQueue = turn.catch(() => {})
      return orAborted(turn, signal)
    },
    block,
    async exhausted(milliseconds) {
      if (windowFreeAt() <= now()) await block(milliseconds)
    },
  }
}
