import { clearLine, cursorTo } from 'node:readline'
import { OpenFIGIClient } from '../client.ts'
import type { OpenFIGIClientOptions } from '../client_options.ts'
import type { Config, LogLevel } from '../config.ts'
import { runningEmbedded } from '../database/embedded.ts'
import { type OpenDatabase, openDatabase } from '../database/open.ts'
import { createLogger } from '../log.ts'
import type { Context } from './context.ts'
import { tell } from './output.ts'

/** A client and its database, for the time of one command. */
export interface Session extends AsyncDisposable {
  readonly client: OpenFIGIClient
}

/** A count over millions of rows takes longer than a lookup may. */
const queryTimeoutMs = 600_000

/** What stops sooner need not say so. */
const patienceMs = 500

/** Opens the database (the embedded one comes up where it is not) and a client on it. Both close when the command is interrupted. */
export async function openSession(
  context: Context,
  options: Pick<OpenFIGIClientOptions, 'cacheMaxAgeDays' | 'queryTimeoutMs'> = { queryTimeoutMs },
): Promise<Session> {
  const config = await context.config()
  const logger = createLogger(levelOfOneCommand(config.logLevel))
  const database = await openedDatabase(context, config, logger)
  const client = new OpenFIGIClient({ ...options, dbUrl: database.url, logger })
  let patience: NodeJS.Timeout | undefined
  const stop = () => {
    patience = setTimeout(
      tell,
      patienceMs,
      context,
      'Stopping: what is under way may end first. Ctrl-C again stops at once.',
    )
    void client.close()
  }
  context.signal.addEventListener('abort', stop, { once: true })
  return {
    client,
    async [Symbol.asyncDispose]() {
      await client.close()
      await database.release()
      clearTimeout(patience)
    },
  }
}

/** Of a command that ends by itself, warnings and errors, unless LOG_LEVEL asks for more. */
export function levelOfOneCommand(level: LogLevel): LogLevel {
  return level === 'info' ? 'warn' : level
}

/** The database of a command; the embedded one is brought up, and says so on a terminal. */
export async function openedDatabase(
  { stderr, signal }: Context,
  config: Config,
  logger: ReturnType<typeof createLogger>,
): Promise<OpenDatabase> {
  const isShown = stderr.isTTY && config.databaseUrl === undefined && !(await runningEmbedded(config.home))
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
