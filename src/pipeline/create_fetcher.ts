import type { Dispatcher } from 'undici'
import type { Config } from '../config.ts'
import { type Counting, countsNothing } from '../counting/tally.ts'
import type { Sql } from '../database/connect.ts'
import type { Answer } from '../database/requests.ts'
import { budgetName, createSharedBudget } from '../database/shared_budget.ts'
import type { Logger } from '../log.ts'
import { openFigiFrom } from '../openfigi/from_config.ts'
import { Fetcher } from './fetcher.ts'
import { createGate } from './gate.ts'

/** The fetcher of this process on that database, within the budget that all processes share. */
export function createFetcher(
  config: Config,
  parts: {
    sql: Sql
    logger: Logger
    counting?: Counting
    dispatcher?: Dispatcher | undefined
    leaseMs?: number | undefined
    queryTimeoutMs?: number | undefined
    onUnrecorded?: (answers: readonly Answer[], askedAt: number) => void
  },
): Fetcher {
  const { counting = countsNothing, sql, logger, dispatcher } = parts
  const budget = createSharedBudget(sql, {
    name: budgetName(config.apiUrl, config.apiKey),
    limit: config.rateLimit,
    queryTimeoutMs: parts.queryTimeoutMs,
    onWait(milliseconds) {
      counting.add('budget_waits', {})
      counting.add('budget_wait_milliseconds', {}, Math.round(milliseconds))
    },
  })
  const gate = createGate(budget)
  return new Fetcher({
    ...parts,
    counting,
    gate,
    openfigi: openFigiFrom(config, { budget: gate, logger, counting, dispatcher }),
    maxInFlight: Math.min(config.rateLimit.capacity, 50),
  })
}
