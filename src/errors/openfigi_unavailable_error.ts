import { PgfigiError } from './pgfigi_error.ts'

/** OpenFIGI failed so often in a row that nothing is sent for a while; `cause` is the last failure. */
export class OpenFigiUnavailableError extends PgfigiError {
  override readonly retryable = true
  /** When the next request will be tried. */
  readonly retryAt: Date
  readonly retryAfterMs: number

  constructor(retryAfterMs: number, retryAt: Date, options?: ErrorOptions) {
    super(
      `OpenFIGI keeps failing: nothing is sent to it before ${retryAt.toISOString()} (in ${Math.ceil(retryAfterMs / 1000)} s)`,
      options,
    )
    this.retryAfterMs = retryAfterMs
    this.retryAt = retryAt
  }
}
