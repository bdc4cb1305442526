import type { Context } from '../context.ts'
import { print, tell } from '../output.ts'

export async function migrateDown(
  { force = false, json }: { force?: boolean; json?: boolean },
  context: Context,
): Promise<number> {
  const { withMigrationTarget } = await import('../migration_target.ts')
  const migrations = await import('../../database/migrate_down.ts')
  const { createLogger } = await import('../../log.ts')
  const { levelOfOneCommand } = await import('../opened_database.ts')
  const config = await context.config()
  const logger = createLogger(config, levelOfOneCommand(config.logLevel))
  const undone = await withMigrationTarget(context, (url) =>
    migrations.migrateDown(url, { force, logger, signal: context.signal }),
  )
  if (json) await print(context, JSON.stringify({ undone }))
  else if (undone !== null) await print(context, undone)
  tell(
    context,
    undone === null
      ? 'No migration is applied: there is nothing to undo.'
      : 'Undone; pgfigi migrate up applies it again.',
  )
  return 0
}
