import { PgfigiError } from './pgfigi_error.ts'

/** The database refused something that only a person can mend; the message says what, and what to do. */
export class DatabaseError extends PgfigiError {
  /** The SQLSTATE or the driver's code. */
  readonly code: string | undefined

  constructor(message: string, code: string | undefined, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
