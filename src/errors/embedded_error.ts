import { PgfigiError } from './pgfigi_error.ts'

export type EmbeddedFault =
  | 'not_installed'
  | 'no_account'
  | 'closed_folder'
  | 'foreign_home'
  | 'no_room'
  | 'wrong_version'
  | 'initdb'
  | 'start'
  | 'stop'
  | 'password'
  | 'locked'

/** The embedded database could not be brought up or down; the message names the remedy. */
export class EmbeddedError extends PgfigiError {
  readonly fault: EmbeddedFault

  constructor(fault: EmbeddedFault, message: string, options?: ErrorOptions) {
    super(message, options)
    this.fault = fault
  }
}
