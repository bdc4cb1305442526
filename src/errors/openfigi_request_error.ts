import { PgfigiError } from './pgfigi_error.ts'

/** OpenFIGI refused the request itself (HTTP 400, 404, a redirect, ...): sending it again changes nothing. */
export class OpenFigiRequestError extends PgfigiError {
  readonly status: number
  /** The beginning of the text that came with the status. */
  readonly body: string

  constructor(status: number, body: string) {
    const hint = status === 400 ? '' : ' (check OPENFIGI_API_URL)'
    super(`OpenFIGI refused the request with HTTP ${status}${body && `: ${body}`}${hint}`)
    this.status = status
    this.body = body
  }
}
