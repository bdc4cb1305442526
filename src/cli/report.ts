import { inspect, styleText } from 'node:util'
import { CommanderError } from 'commander'
import { messageOf } from '../message_of.ts'
import type { Context } from './context.ts'
import { Interruption } from './interruption.ts'
import { tell } from './output.ts'
import { UsageError } from './usage_error.ts'

/**
 * Says on stderr what went wrong, in a sentence that a person can act on; the exit code. Drivers put what they were given
 * into what they throw: secrets are taken out.
 */
export async function report(thrown: unknown, context: Context): Promise<number> {
  const error = context.signal.aborted ? context.signal.reason : thrown
  if (error instanceof Interruption) return error.exitCode
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2 // commander has said it
  const { ConfigError } = await import('../errors/config_error.ts')
  const config = await context.config().catch(() => null)
  const mark = styleText('red', 'error:', { stream: context.stderr })
  tell(context, `${mark} ${await plainly(error, context)}`)
  if (config?.logLevel === 'debug' || config?.logLevel === 'trace')
    tell(context, await harmless(inspect(error), context))
  return error instanceof UsageError || error instanceof ConfigError ? 2 : 1
}

/** What went wrong in one sentence, with the remedy where there is one, and without secrets. */
export async function plainly(error: unknown, context: Context): Promise<string> {
  return harmless(await sentenceOf(error), context)
}

async function harmless(text: string, context: Context): Promise<string> {
  const { secretsOf, withoutSecrets } = await import('../secrets.ts')
  const config = await context.config().catch(() => null)
  return withoutSecrets(text, config === null ? [] : secretsOf(config))
}

async function sentenceOf(error: unknown): Promise<string> {
  const { PgfigiError } = await import('../errors/pgfigi_error.ts')
  const { explained } = await import('../database/faults.ts')
  const { DeadlineError } = await import('../errors/deadline_error.ts')
  if (error instanceof DeadlineError)
    return `The database cannot be reached, or is busy: ${error.message}. Check DATABASE_URL, and that the server runs; pg_stat_activity shows what it does.`
  const known = explained(error)
  if (known instanceof PgfigiError) return known.message
  return `Something unexpected happened: ${messageOf(error)}. LOG_LEVEL=debug shows where.`
}
