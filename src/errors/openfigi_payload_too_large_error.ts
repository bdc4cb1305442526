import { PgfigiError } from './pgfigi_error.ts'

/** HTTP 413: more jobs than one request may carry. They have to be sent in smaller parts. */
export class OpenFigiPayloadTooLargeError extends PgfigiError {
  readonly status = 413
  readonly jobs: number

  constructor(jobs: number) {
    super(`OpenFIGI finds a request of ${jobs} ${jobs === 1 ? 'job' : 'jobs'} too large (HTTP 413)`)
    this.jobs = jobs
  }
}
