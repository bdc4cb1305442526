import { PgfigiError } from './pgfigi_error.ts'

/** HTTP 429: everybody who shares the key has to wait. */
export class OpenFigiRateLimitError extends PgfigiError {
  override readonly retryable = true
  readonly status = 429
  /** How long the server asks to wait; null where it does not say. */
  readonly retryAfterMs: number | null

  constructor(retryAfterMs: number | null) {
    const wait = retryAfterMs === null ? '' : `, retry after ${Math.ceil(retryAfterMs / 1000)} s`
    super(`OpenFIGI says that there were too many requests (HTTP 429)${wait}`)
    this.retryAfterMs = retryAfterMs
  }
}
