import { PgfigiError } from './pgfigi_error.ts'

/** Of the servers that a URL names none will do just now; the message says what became of each. */
export class NoServerError extends PgfigiError {
  override readonly retryable = true
}
