import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { codeOf, explained, isAway } from '../database/faults.ts'
import { PgfigiError } from '../errors/pgfigi_error.ts'

/** What whoever asked is told: a status, and a sentence with what to do. */
export interface Failure {
  readonly status: number
  readonly sentence: string
}

/** Limits of the page's own, which tell more than what is known of their codes in general. */
const ownLimits: Readonly<Record<string, string>> = {
  '57014':
    'The database took longer than the page lets it, so that nobody has to wait for the page: try again, or ask by psql or a command (pgfigi health --whole, for example).',
  '55P03':
    'Somebody holds a lock on what was to be read, and the page does not wait: try again, and see pg_stat_activity where it lasts.',
}

/** Of fastify and its plugins, by code. */
const ofTheServer: Readonly<Record<string, string>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'The body is too large: 64 KB are enough for all that can be asked here.',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'The body is in no form that is understood here: send JSON, or a form.',
  FST_ERR_CTP_INVALID_JSON_BODY: 'The body is no JSON.',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'The body is empty: send a JSON object.',
  FST_CSRF_MISSING_SECRET:
    'The page that this came from is too old, or the browser keeps no cookies: load the page again, then try again.',
  FST_CSRF_INVALID_TOKEN:
    'The page that this came from is too old, or belongs to another session: load the page again, then try again.',
}

/** A refusal with its status, thrown by handlers. */
export class Refusal extends PgfigiError {
  readonly statusCode: number

  constructor(statusCode: number, sentence: string) {
    super(sentence)
    this.statusCode = statusCode
  }
}

/** What a thrown error means for whoever asked; what nobody expected tells no details. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Refusal) return { status: error.statusCode, sentence: error.message }
  if (hasZodFastifySchemaValidationErrors(error)) return { status: 400, sentence: invalidSentence(error) }
  const code = codeOf(error) ?? ''
  const limit = ownLimits[code]
  if (limit !== undefined) return { status: 503, sentence: limit }
  const known = explained(error)
  if (known instanceof PgfigiError || isAway(error))
    return { status: 503, sentence: `${(known as Error).message.replace(/\.$/, '')}.` }
  const status = statusOf(error)
  if (status >= 400 && status < 500)
    return { status, sentence: ofTheServer[code] ?? `${(error as Error).message.replace(/\.$/, '')}.` }
  return {
    status: 500,
    sentence: 'Something unexpected happened: the log of this process says what, by the id of the request.',
  }
}

function statusOf(error: unknown): number {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  return typeof status === 'number' ? status : 500
}

function invalidSentence(error: { validation: { instancePath: string; message?: string }[] }): string {
  const [first] = error.validation
  const name = first?.instancePath.replace(/^\//, '').replaceAll('/', '.')
  return `${name ? `${name}: ` : ''}${first?.message ?? 'what was sent is not understood'}.`
}
