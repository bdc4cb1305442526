import { CircuitState, ConsecutiveBreaker, circuitBreaker, handleWhen, isBrokenCircuitError } from 'cockatiel'
import { OpenFigiUnavailableError } from '../errors/openfigi_unavailable_error.ts'
import { PgfigiError } from '../errors/pgfigi_error.ts'
import { isOutage } from './outage.ts'
import { orAborted } from './waiting.ts'

export interface CircuitOptions {
  /** So many failures in a row, of whatever request, open it. */
  readonly failures: number
  /** So long nothing is sent; then a single request probes. */
  readonly halfOpenAfterMs: number
}

export interface Circuit {
  /** Runs the function, or throws OpenFigiUnavailableError at once while the circuit is open. */
  run<T>(run: () => Promise<T>, signal?: AbortSignal): Promise<T>
  /** For whoever had to wait within `run`: throws where the circuit has opened in the meantime. */
  throwIfOpen(): void
}

/** Keeps a dead API from being hammered: shared by all that one OpenFIGI object sends. */
export function createCircuit({ failures, halfOpenAfterMs }: CircuitOptions): Circuit {
  let retryAt = Number.NEGATIVE_INFINITY
  let lastOutage: unknown

  const breaker = circuitBreaker(
    handleWhen((error) => {
      if (isOutage(error)) {
        lastOutage = error
        return true
      }
      // An answer such as 401 or 429 shows that the API is alive. An abort shows nothing: the probe has to be repeated.
      const isAnswer = error instanceof PgfigiError && 'status' in error
      return breaker.state === CircuitState.HalfOpen && !isAnswer
    }),
    // It would wait by the clock of the day, which jumps: when it may probe is told below.
    { breaker: new ConsecutiveBreaker(failures), halfOpenAfter: Number.NEGATIVE_INFINITY },
  )
  breaker.onBreak(() => {
    retryAt = performance.now() + halfOpenAfterMs
  })

  const isOpen = () => breaker.state === CircuitState.Open && performance.now() < retryAt

  const unavailable = () => {
    const waitMs = Math.max(retryAt - performance.now(), 0)
    return new OpenFigiUnavailableError(waitMs, new Date(Date.now() + waitMs), { cause: lastOutage })
  }

  return {
    async run(run, signal) {
      if (isOpen()) throw unavailable()
      try {
        // cockatiel lets the others wait for the probe, and that wait does not hear their signals.
        return await orAborted(
          breaker.execute(async () => {
            signal?.throwIfAborted()
            return run()
          }),
          signal,
        )
      } catch (error) {
        throw isBrokenCircuitError(error) ? unavailable() : error
      }
    },
    throwIfOpen() {
      if (breaker.state === CircuitState.Open) throw unavailable()
    },
  }
}
