import { PgfigiError } from './pgfigi_error.ts'

/** HTTP 401 or 403: nothing works until somebody sees to the key. */
export class OpenFigiAuthError extends PgfigiError {
  readonly status: number
  /** The beginning of the text that came with the status. */
  readonly body: string

  constructor(status: number, body: string, sentKey: boolean) {
    super(
      sentKey
        ? `OpenFIGI does not accept the API key (HTTP ${status}): check OPENFIGI_API_KEY, or get a key at https://www.openfigi.com/api`
        : `OpenFIGI refuses requests without an API key (HTTP ${status}): get one at https://www.openfigi.com/api and set OPENFIGI_API_KEY`,
    )
    this.status = status
    this.body = body
  }
}
