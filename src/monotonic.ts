import { uptime } from 'node:os'

/** On macOS the time since the start is reckoned by the clock of the day, which jumps. */
const isTold = process.platform !== 'darwin'

/**
 * What the machine has slept before this process began does not matter. The clock that stands still goes first: where the
 * process is held up between the two, that is not taken for sleep from then on.
 */
const asleepBefore = isTold ? -performance.now() + uptime() * 1000 : 0

/**
 * Milliseconds that never jump, and go on while the machine sleeps, as performance.now() does not: for ages, and for whether
 * something is late. Costs some microseconds.
 */
export function monotonicNow(): number {
  const now = performance.now()
  const asleep = isTold ? uptime() * 1000 - now - asleepBefore : 0
  // The time since the start comes in hundredths of a second.
  return asleep > 100 ? now + asleep : now
}
