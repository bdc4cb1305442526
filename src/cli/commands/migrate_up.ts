import type { Context } from '../context.ts'
import { print, tell } from '../output.ts'

export async function migrateUp(context: Context): Promise<number> {
  const { withMigrationTarget } = await import('../migration_target.ts')
  const migrations = await import('../../database/migrate.ts')
  const { createLogger } = await import('../../log.ts')
  const { levelOfOneCommand } = await import('../opened_database.ts')
  const config = await context.config()
  const logger = createLogger(config, levelOfOneCommand(config.logLevel))
  const applied = await withMigrationTarget(context, (url) =>
    migrations.migrateUp(url, { logger, signal: context.signal }),
  )
  for (const name of applied) await print(context, name)
  tell(context, applied.length === 0 ? 'The schema is up to date.' : 'Applied; the schema is up to date.')
  return 0
}
