import { PgfigiError } from './pgfigi_error.ts'

/** The page cannot listen where it should; the message says why, and what to do. */
export class PageListenError extends PgfigiError {
  /** The system's code, such as EADDRINUSE. */
  readonly code: string | undefined

  constructor(message: string, code: string | undefined, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
