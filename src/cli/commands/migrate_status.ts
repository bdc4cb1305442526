import type { Context } from '../context.ts'
import { print } from '../output.ts'

export async function migrateStatus(
  { json, check }: { json?: boolean; check?: boolean },
  context: Context,
): Promise<number> {
  const { withMigrationTarget } = await import('../migration_target.ts')
  const { migrationStatus } = await import('../../database/migrate.ts')
  const { applied, pending } = await withMigrationTarget(context, (url) => migrationStatus(url))
  if (json) await print(context, JSON.stringify({ applied, pending }))
  else {
    for (const name of applied) await print(context, `applied\t${name}`)
    for (const name of pending) await print(context, `pending\t${name}`)
  }
  return check && pending.length > 0 ? 1 : 0
}
