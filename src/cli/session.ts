import { type ClientParts, OpenFIGIClient } from '../client.ts'
import type { OpenFIGIClientOptions } from '../client_options.ts'
import { requireAnswer } from '../database/answered.ts'
import { connect } from '../database/connect.ts'
import type { OpenDatabase } from '../database/open.ts'
import { createLogger } from '../log.ts'
import type { Context } from './context.ts'
import { readerGone } from './interruption.ts'
import { levelOfOneCommand, openedDatabase } from './opened_database.ts'
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
  parts: ClientParts = { kind: 'command' },
): Promise<Session> {
  const config = await context.config()
  const logger = createLogger(config, levelOfOneCommand(config.logLevel))
  const database = await openedDatabase(context, config, logger)
  if (options.queryTimeoutMs !== undefined) await answers(database, context)
  const client = new OpenFIGIClient({ ...options, dbUrl: database.url, logger }, parts)
  let patience: NodeJS.Timeout | undefined
  const stop = () => {
    const sentence = 'Stopping: what is under way may end first. Ctrl-C again stops at once.'
    // Where the reader has seen enough, nobody waits for it to stop.
    if (context.signal.reason !== readerGone) patience = setTimeout(tell, patienceMs, context, sentence)
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

/** Throws where the database does not answer at all, for which nobody should wait as long as for a large count. */
async function answers(database: OpenDatabase, context: Context): Promise<void> {
  const { client } = await context.config()
  const sql = connect(database.url, { max: 1, prepare: client.prepare })
  try {
    await requireAnswer(sql)
  } catch (error) {
    await database.release()
    throw error
  } finally {
    await sql.end({ timeout: 0 })
  }
}
