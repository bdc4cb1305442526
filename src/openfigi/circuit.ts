import { OpenFigiUnavailableError } from '../errors/openfigi_unavailable_error.ts'
import { PgfigiError } from '../errors/pgfigi_error.ts'
import { orAborted } from '../waiting.ts'
import { isOutage } from './outage.ts'

export interface CircuitOptions {
  /** So many failures in a row, of whatever request, open it. */
  readonly failures: number
  /** So long nothing is sent; then a single request probes. */
  readonly halfOpenAfterMs: number
  /** A clock in milliseconds that never goes back: the time of day may jump. */
  readonly now?: () => number
}

export interface Circuit {
  /** Runs the function, or throws OpenFigiUnavailableError at once while the circuit is open. */
  run<T>(run: () => Promise<T>, signal?: AbortSignal): Promise<T>
  /** For whoever had to wait within `run`: throws where the circuit has opened in the meantime. */
  throwIfOpen(): void
}

/** Keeps a dead API from being hammered: shared by all that one OpenFIGI object sends. */
export function createCircuit(options: CircuitOptions): Circuit {
  const { failures, halfOpenAfterMs, now = () => performance.now() } = options
  let failuresInARow = 0
  /** Null while it is closed. */
  let openedAt: number | null = null
  let lastOutage: unknown
  /** The one request that goes first when the pause is over; it never rejects. */
  let probe: Promise<void> | null = null

  function throwIfOpen(): void {
    if (openedAt === null) return
    const left = openedAt + halfOpenAfterMs - now()
    if (left > 0) throw new OpenFigiUnavailableError(left, new Date(Date.now() + left), { cause: lastOutage })
  }

  function isAlive(): void {
    failuresInARow = 0
    openedAt = null
  }

  function failed(error: unknown, isProbe: boolean): void {
    if (isOutage(error)) {
      lastOutage = error
      failuresInARow += 1
      if (isProbe || (openedAt === null && failuresInARow >= failures)) openedAt = now()
    } else if (error instanceof PgfigiError && 'status' in error) {
      // An answer such as 401 or 429 shows that the API is alive.
      isAlive()
    } else if (isProbe) {
      // An abort shows nothing: the probe has to be repeated.
      openedAt = now()
    }
  }

  async function attempt<T>(run: () => Promise<T>, isProbe: boolean): Promise<T> {
    try {
      const value = await run()
      isAlive()
      return value
    } catch (error) {
      failed(error, isProbe)
      throw error
    }
  }

  return {
    async run(run, signal) {
      for (;;) {
        signal?.throwIfAborted()
        throwIfOpen()
        if (openedAt === null) return attempt(run, false)
        if (!probe) {
          const probing = attempt(run, true)
          const ended = () => {
            probe = null
          }
          probe = probing.then(ended, ended)
          return probing
        }
        await orAborted(probe, signal)
      }
    },
    throwIfOpen,
  }
}
