/** A timer set for longer fires at once. */
const longestTimerMs = 2 ** 31 - 1

export type Sleep = (milliseconds: number, signal?: AbortSignal) => Promise<void>

/** Resolves after so many milliseconds. Rejects with the signal's reason when it aborts, and leaves no timer behind. */
export async function sleepFor(milliseconds: number, signal?: AbortSignal): Promise<void> {
  for (let left = milliseconds; left > 0; left -= longestTimerMs) {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, Math.ceil(Math.min(left, longestTimerMs)))
    try {
      await orAborted(promise, signal)
    } finally {
      clearTimeout(timer)
    }
  }
  signal?.throwIfAborted()
}

/** Settles as the promise does, or rejects with the signal's reason as soon as it aborts; the promise itself goes on. */
export async function orAborted<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return promise
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([aborted, promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** An AbortController that also aborts when the signal does, until it is released. */
export function childController(signal?: AbortSignal): { controller: AbortController; release: () => void } {
  const controller = new AbortController()
  const abort = () => controller.abort(signal?.reason)
  if (signal?.aborted) abort()
  else signal?.addEventListener('abort', abort, { once: true })
  return { controller, release: () => signal?.removeEventListener('abort', abort) }
}
