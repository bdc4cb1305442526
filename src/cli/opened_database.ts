import { clearLine, cursorTo } from 'node:readline'
import type { Config, LogLevel } from '../config.ts'
import { type OpenDatabase, openDatabase } from '../database/open.ts'
import type { Logger } from '../log.ts'
import type { Context } from './context.ts'

/** Of a command that ends by itself, warnings and errors, unless LOG_LEVEL asks for more. */
export function levelOfOneCommand(level: LogLevel): LogLevel {
  return level === 'info' ? 'warn' : level
}

/** The database of a command; the embedded one is brought up, and says so on a terminal. */
export async function openedDatabase(
  { stderr, signal }: Context,
  config: Config,
  logger: Logger,
): Promise<OpenDatabase> {
  const isShown = stderr.isTTY && config.databaseUrl === undefined && !(await isRunning(config.home))
  if (isShown) stderr.write('Starting the database ...')
  try {
    const database = await openDatabase(config, logger)
    if (signal.aborted) await database.release()
    signal.throwIfAborted()
    return database
  } finally {
    if (isShown) {
      cursorTo(stderr, 0)
      clearLine(stderr, 0)
    }
  }
}

async function isRunning(home: string): Promise<boolean> {
  const { runningEmbedded } = await import('../database/embedded.ts')
  return (await runningEmbedded(home)) !== null
}
