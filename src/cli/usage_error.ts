import { PgfigiError } from '../errors/pgfigi_error.ts'

/** The command was called wrongly: exit code 2. */
export class UsageError extends PgfigiError {}
