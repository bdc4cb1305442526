import type { Identifier } from '../identifiers.ts'
import { PgfigiError } from './pgfigi_error.ts'

/** Nothing is known of the identifier, and OpenFIGI could not be asked: not the same as "no ticker", which is null. */
export class LookupFailedError extends PgfigiError {
  override readonly retryable = true
  readonly identifier: Identifier

  constructor(identifier: Identifier, reason: string, options?: ErrorOptions) {
    super(`No answer for ${identifier.type} ${identifier.value} yet: ${reason}`, options)
    this.identifier = identifier
  }
}
