import type { Context } from '../context.ts'
import { print } from '../output.ts'

export async function migrateHistory({ json }: { json?: boolean }, context: Context): Promise<number> {
  const { withMigrationTarget } = await import('../migration_target.ts')
  const { migrationHistory } = await import('../../database/migrate.ts')
  const history = await withMigrationTarget(context, (url) => migrationHistory(url))
  for (const { name, message, appliedAt } of history) {
    const at = appliedAt.toISOString()
    await print(
      context,
      json ? JSON.stringify({ name, message, applied_at: at }) : `${at}\t${name}\t${message ?? ''}`,
    )
  }
  return 0
}
