import type { Config } from '../config.ts'
import { refreshStale } from '../database/cache.ts'
import type { Sql } from '../database/connect.ts'
import { queueSize } from '../database/warming.ts'

/** From one run of the cron to the next; the crontab has to agree. */
export const refreshEveryMs = 3_600_000

/** How many identifiers the budget can fetch until the next run, where each may need both rounds. */
export function refreshableUntilNextRun(config: Pick<Config, 'rateLimit' | 'jobsPerRequest'>): number {
  const { capacity, windowMs } = config.rateLimit
  const requests = Math.floor(refreshEveryMs / windowMs) * capacity
  return Math.floor((requests * config.jobsPerRequest) / 2)
}

/** Requests the stale mappings again, where that is switched on, and never more than there is room for; how many. */
export async function refreshWithinBudget(sql: Sql, config: Config): Promise<number> {
  if (!config.autoRefreshStale) return 0
  const { waiting } = await queueSize(sql)
  const room = refreshableUntilNextRun(config) - waiting
  return room > 0 ? refreshStale(sql, config.cacheMaxAgeDays ?? null, room) : 0
}
