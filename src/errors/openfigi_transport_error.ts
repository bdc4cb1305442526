import { PgfigiError } from './pgfigi_error.ts'

/** No answer came: the network failed, the connection was reset, or time ran out. */
export class OpenFigiTransportError extends PgfigiError {
  override readonly retryable = true
}
