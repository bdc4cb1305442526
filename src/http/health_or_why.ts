import { failedCheck, reportOf } from '../database/health.ts'
import { failureOf } from './failure.ts'
import type { Health } from './models.ts'
import type { PageData } from './page_data.ts'

/** The health checks; where they cannot be asked for, the one that says why. */
export function healthOrWhy(data: PageData): Promise<Health> {
  return data.health().catch((error) => reportOf([failedCheck(error, failureOf(error).sentence)]))
}
