import { requireAnswer } from '../database/answered.ts'
import { connect, type Sql } from '../database/connect.ts'
import { createLogger, type Logger } from '../log.ts'
import type { Context } from './context.ts'
import { levelOfOneCommand, openedDatabase } from './opened_database.ts'

/** Connections for one command, closed with it. */
export interface Connection extends AsyncDisposable {
  readonly sql: Sql
  readonly logger: Logger
}

interface ConnectionOptions {
  /** Most connections at once; default one. */
  readonly max?: number
  readonly applicationName?: string
  /** Whether queries are cut off as soon as the command is interrupted, as they may be that only read. Default true. */
  readonly isInterruptible?: boolean
}

export async function openConnection(
  context: Context,
  { max = 1, applicationName = 'pgfigi', isInterruptible = true }: ConnectionOptions = {},
): Promise<Connection> {
  const config = await context.config()
  const logger = createLogger(config, levelOfOneCommand(config.logLevel))
  const database = await openedDatabase(context, config, logger)
  const sql = connect(database.url, { max, applicationName, prepare: config.client.prepare })
  const stop = () => void sql.end({ timeout: 0 })
  if (isInterruptible) context.signal.addEventListener('abort', stop, { once: true })
  const close = async () => {
    context.signal.removeEventListener('abort', stop)
    await sql.end({ timeout: isInterruptible ? 0 : 5 })
    await database.release()
  }
  try {
    await requireAnswer(sql)
  } catch (error) {
    await close()
    throw error
  }
  return { sql, logger, [Symbol.asyncDispose]: close }
}
