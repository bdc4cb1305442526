import { PgfigiError } from './pgfigi_error.ts'

/** A file cannot be imported, as a whole or from some place on; the message names it, and what to do. */
export class ImportError extends PgfigiError {
  readonly file: string

  constructor(file: string, problem: string, options?: ErrorOptions) {
    super(`${file} ${problem}`, options)
    this.file = file
  }
}
