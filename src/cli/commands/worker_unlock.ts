import type { Context } from '../context.ts'
import { counted, print } from '../output.ts'

export async function workerUnlock({ json }: { json?: boolean }, context: Context): Promise<number> {
  const { openConnection } = await import('../connection.ts')
  const { unlockDeadJobs } = await import('../../database/operations.ts')
  await using connection = await openConnection(context)
  const unlocked = await unlockDeadJobs(connection.sql)
  await print(
    context,
    json ? JSON.stringify({ unlocked }) : `Unlocked ${counted(unlocked, 'job')} of workers that are gone.`,
  )
  return 0
}
