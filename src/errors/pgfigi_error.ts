/** The base of every error that pgfigi itself raises. */
export class PgfigiError extends Error {
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean = false

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}
