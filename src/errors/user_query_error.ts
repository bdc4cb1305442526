import { PgfigiError } from './pgfigi_error.ts'

/** The database refused a query that a user wrote. */
export class UserQueryError extends PgfigiError {
  /** The SQLSTATE. */
  readonly code: string

  constructor(problem: string, code: string, options: ErrorOptions = {}) {
    super(`The query cannot be run: ${problem}`, options)
    this.code = code
  }
}
