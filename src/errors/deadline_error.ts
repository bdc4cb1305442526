import { PgfigiError } from './pgfigi_error.ts'

/** Something did not answer in time; whether it happened all the same is not known. */
export class DeadlineError extends PgfigiError {
  override readonly retryable = true
  readonly milliseconds: number

  constructor(what: string, milliseconds: number) {
    super(`${what} did not answer within ${milliseconds} ms`)
    this.milliseconds = milliseconds
  }
}
