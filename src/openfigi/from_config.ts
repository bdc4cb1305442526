import type { Dispatcher } from 'undici'
import type { Config } from '../config.ts'
import type { Counting } from '../counting/tally.ts'
import type { Logger } from '../log.ts'
import type { Budget } from './budget.ts'
import { createOpenFigi, type OpenFigi } from './fetch_round.ts'

/** OpenFIGI as the settings describe it, at the pace of the given budget; every request that goes out is counted. */
export function openFigiFrom(
  config: Config,
  parts: { budget: Budget; logger: Logger; counting: Counting; dispatcher?: Dispatcher | undefined },
): OpenFigi {
  return createOpenFigi({
    url: config.apiUrl,
    apiKey: config.apiKey,
    dispatcher: parts.dispatcher,
    timeoutMs: config.timeoutMs,
    jobsPerRequest: config.jobsPerRequest,
    preference: config.listingPreference,
    budget: parts.budget,
    windowMs: config.rateLimit.windowMs,
    logger: parts.logger,
    onRequest: ({ status }) => parts.counting.add('openfigi_requests', { code: String(status ?? 'none') }),
  })
}
