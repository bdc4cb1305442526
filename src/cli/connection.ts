import { connect, type Sql } from '../database/connect.ts'
import { createLogger } from '../log.ts'
import type { Context } from './context.ts'
import { levelOfOneCommand, openedDatabase } from './session.ts'

/** Connections for a command that only reads, closed with it and as soon as it is interrupted. */
export interface Connection extends AsyncDisposable {
  readonly sql: Sql
}

export async function openConnection(context: Context, { max = 1 } = {}): Promise<Connection> {
  const config = await context.config()
  const database = await openedDatabase(context, config, createLogger(levelOfOneCommand(config.logLevel)))
  const sql = connect(database.url, { max })
  const stop = () => void sql.end({ timeout: 0 })
  context.signal.addEventListener('abort', stop, { once: true })
  return {
    sql,
    async [Symbol.asyncDispose]() {
      context.signal.removeEventListener('abort', stop)
      await sql.end({ timeout: 0 })
      await database.release()
    },
  }
}
