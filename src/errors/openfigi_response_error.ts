import { PgfigiError } from './pgfigi_error.ts'

/** HTTP 200, but what came with it is no answer: not JSON, broken off, too large, or not one element a job. */
export class OpenFigiResponseError extends PgfigiError {
  override readonly retryable = true
}
