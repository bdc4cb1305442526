import { PgfigiError } from './pgfigi_error.ts'

export type MigrationFault =
  | 'no_connection'
  | 'old_server'
  | 'read_only'
  | 'foreign_schema'
  | 'newer_schema'
  | 'not_migrated'
  | 'missing_rights'
  | 'busy'
  | 'no_undo'
  | 'data_would_be_lost'
  | 'in_use'
  | 'failed'

/** The schema could not be brought up to date, or taken back; nothing is left half done. The message names the remedy. */
export class MigrationError extends PgfigiError {
  readonly fault: MigrationFault

  constructor(fault: MigrationFault, message: string, options?: ErrorOptions) {
    super(message, options)
    this.fault = fault
  }
}
