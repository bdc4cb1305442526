import { z } from 'zod'

/**
 * What the JSON API gives and the page shows: the one description of it, from which the OpenAPI document is made. Times are
 * ISO 8601 in UTC.
 */
const instant = z.iso.datetime({ offset: true })
const count = z.int().nonnegative()

export const healthCheck = z.object({
  name: z.string().describe('Name of the check, also of its runbook'),
  status: z.enum(['ok', 'warn', 'fail']),
  value: z.number().nullable().describe('What was measured; null where nothing is known'),
  unit: z.string().describe('What value and thresholds are in: seconds, share, rows, ...'),
  threshold: z.number().nullable().describe('From here it warns'),
  fails_at: z.number().nullable().describe('From here it fails; null where it only warns'),
  sentence: z.string().describe('What is, and what to do'),
})
export type HealthCheck = z.infer<typeof healthCheck>

export const health = z.object({
  status: z.enum(['ok', 'warn', 'fail']).describe('The worst of the checks'),
  checked_at: instant,
  checks: z.array(healthCheck),
})
export type Health = z.infer<typeof health>

export const overview = z.object({
  total_cached: count,
  found_cached: count,
  not_found_cached: count,
  stale: count,
  history_rows: count,
  pending: count,
  gave_up: count,
  hit_rate_1h: z
    .number()
    .nullable()
    .describe('Hits and negatives among counted lookups, 0 to 1; null without lookups'),
  hit_rate_24h: z.number().nullable(),
  budget_used: z
    .number()
    .nullable()
    .describe('Share of the request limit in use now, 0 to 1; null before the first request'),
  backlog_seconds: z
    .number()
    .nullable()
    .describe('How long the backlog takes at the full limit; null where unknown'),
})
export type Overview = z.infer<typeof overview>

export const ranges = ['1h', '24h', '7d'] as const
export const range = z.enum(ranges)
export type Range = z.infer<typeof range>

/** Series over the same instants, for one chart and its table. */
export const chart = z.object({
  name: z.enum(['lookups', 'requests', 'changes', 'growth']),
  title: z.string(),
  unit: z.string().describe('What is counted, for example lookups per minute'),
  bucket_seconds: count,
  at: z.array(instant).describe('Where each bucket begins'),
  series: z.array(z.object({ label: z.string(), values: z.array(z.number().nullable()) })),
})
export type Chart = z.infer<typeof chart>

export const period = z.object({
  ticker: z.string().nullable(),
  has_no_results: z.boolean(),
  start_date: instant,
  end_date: instant.nullable(),
  last_fetched_date: instant,
  name: z.string().nullable(),
  figi: z.string().nullable(),
  composite_figi: z.string().nullable(),
  share_class_figi: z.string().nullable(),
  exch_code: z.string().nullable(),
  security_type: z.string().nullable(),
  security_type2: z.string().nullable(),
  market_sector: z.string().nullable(),
  source: z.string(),
  alternatives: z.array(z.record(z.string(), z.unknown())).nullable().describe('The rival listings'),
})
export type Period = z.infer<typeof period>

export const queuedRequest = z.object({
  identifier_type: z.string(),
  identifier_value: z.string(),
  priority: z.enum(['lookup', 'warming', 'refresh']),
  state: z.enum(['waiting', 'fetching', 'gave up']),
  requested_at: instant,
  not_before: instant.nullable(),
  attempts: count.describe('How often OpenFIGI answered with an error for this identifier'),
  last_error: z.string().nullable(),
  gave_up_at: instant.nullable(),
})
export type QueuedRequest = z.infer<typeof queuedRequest>

/** An identifier as it is now, and as it was. */
export const identifierDetails = z.object({
  identifier_type: z.string(),
  identifier_value: z.string(),
  status: z.enum(['hit', 'stale', 'negative', 'miss']),
  resolved_via: z
    .string()
    .nullable()
    .describe('CUSIP or ISIN: under which it was found, also where that is its sister'),
  current: period.nullable(),
  stale_at: instant.nullable().describe('When the current answer passes its age'),
  history: z.array(period).describe('Every period, oldest first, the current one included'),
  request: queuedRequest.nullable().describe('The request that waits for it or gave up'),
})
export type IdentifierDetails = z.infer<typeof identifierDetails>

export const bearer = z.object({
  identifier_type: z.string(),
  identifier_value: z.string(),
  ticker: z.string(),
  name: z.string().nullable(),
  start_date: instant,
  end_date: instant.nullable(),
})
export type Bearer = z.infer<typeof bearer>

/** What a search found: one identifier, or all that bear or bore a ticker. */
export const found = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('identifier'), identifier: identifierDetails }),
  z.object({ kind: z.literal('ticker'), ticker: z.string(), bearers: z.array(bearer) }),
])
export type Found = z.infer<typeof found>

export const change = z.object({
  identifier_type: z.string(),
  identifier_value: z.string(),
  changed_at: instant,
  kind: z.enum(['first_seen', 'renamed', 'retired', 'revived']),
  from_ticker: z.string().nullable(),
  to_ticker: z.string().nullable(),
  name: z.string().nullable(),
  source: z.string(),
})
export type Change = z.infer<typeof change>

export const negative = z.object({
  identifier_type: z.string(),
  identifier_value: z.string(),
  last_fetched_date: instant,
  stale_at: instant,
})
export type Negative = z.infer<typeof negative>

export const job = z.object({
  id: z.string(),
  task: z.string(),
  state: z.enum(['ready', 'later', 'running', 'dead worker', 'failed']),
  run_at: instant,
  attempts: count,
  max_attempts: count,
  locked_at: instant.nullable(),
  last_error: z.string().nullable(),
})
export type Job = z.infer<typeof job>

export const runningProcess = z.object({
  kind: z.enum(['worker', 'client', 'command']),
  host: z.string(),
  pid: z.int(),
  version: z.string(),
  started_at: instant,
  seen_at: instant,
})
export type RunningProcess = z.infer<typeof runningProcess>

export const cronEntry = z.object({
  task: z.string(),
  schedule: z.string().describe('In the form of crontab(5), in UTC'),
  last_run_at: instant.nullable(),
})
export type CronEntry = z.infer<typeof cronEntry>

export const work = z.object({
  jobs: z.array(job),
  processes: z.array(runningProcess),
  cron: z.array(cronEntry),
})
export type Work = z.infer<typeof work>

export const action = z.object({
  acted_at: instant,
  who: z.string(),
  address: z.string(),
  action: z.string().describe('fetch, retry, retry_all or unlock; a newer pgfigi may know more'),
  subject: z.string(),
  outcome: z.string(),
})
export type Action = z.infer<typeof action>

/** What came of a button. */
export const actionOutcome = z.object({ outcome: z.string().describe('In words') })
