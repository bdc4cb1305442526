import type { Context } from './context.ts'

/** The URL of the database to look at or to migrate: unlike in other commands, the embedded one as it is. */
export async function withMigrationTarget<T>(
  context: Context,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const config = await context.config()
  if (config.databaseUrl !== undefined) return work(config.databaseUrl)
  const { acquireEmbedded } = await import('../database/embedded.ts')
  const { createLogger } = await import('../log.ts')
  const { levelOfOneCommand } = await import('./opened_database.ts')
  await using database = await acquireEmbedded({
    home: config.home,
    logger: createLogger(config, levelOfOneCommand(config.logLevel)),
  })
  context.signal.throwIfAborted()
  return await work(database.url)
}
