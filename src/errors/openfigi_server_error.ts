import { PgfigiError } from './pgfigi_error.ts'

/** OpenFIGI, or something before it, failed: HTTP 5xx. */
export class OpenFigiServerError extends PgfigiError {
  override readonly retryable = true
  readonly status: number
  /** The beginning of the text that came with the status. */
  readonly body: string

  constructor(status: number, body: string) {
    super(`OpenFIGI failed with HTTP ${status}${body && `: ${body}`}`)
    this.status = status
    this.body = body
  }
}
