import { PgfigiError } from './pgfigi_error.ts'

/** A file has no column to take identifiers or dates from, or more than one that might be meant. */
export class ColumnError extends PgfigiError {
  readonly file: string
  /** What the file's columns are called. */
  readonly columns: readonly string[]

  constructor(file: string, problem: string, columns: readonly string[]) {
    super(`${file} ${problem}`)
    this.file = file
    this.columns = columns
  }
}
