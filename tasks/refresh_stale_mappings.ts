import type { Task } from 'graphile-worker'
import { workerContext } from '../src/worker/context.ts'
import { refreshWithinBudget } from '../src/worker/refresh.ts'

/** Requests the stale mappings again, oldest first, where OPENFIGI_AUTO_REFRESH_STALE is on. */
const refreshStaleMappings: Task = async () => {
  const { sql, config, logger } = await workerContext()
  const requested = await refreshWithinBudget(sql, config)
  if (requested > 0) logger.info({ requested }, 'Stale mappings are fetched again')
}

export default refreshStaleMappings
