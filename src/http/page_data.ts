import { type CacheStats, cacheStats } from '../database/cache.ts'
import { counterTotals, countsSince, gauges, sizesSince } from '../database/counting.ts'
import { cannotAnswer, healthChecks, reportOf } from '../database/health.ts'
import {
  type Actor,
  actFetch,
  actRetry,
  actRetryAll,
  actUnlock,
  pageActions,
  pageChanges,
  pageJobs,
  pageNegatives,
  pageProcesses,
  pageRequests,
  pageRuns,
} from '../database/operations.ts'
import type { Identifier } from '../identifiers.ts'
import { chartsOf, spanOf } from './charts.ts'
import type { CrontabLine } from './crontab.ts'
import { dated } from './dated.ts'
import { type Exposition, Metrics } from './metrics.ts'
import type {
  Action,
  Change,
  Chart,
  Health,
  Negative,
  Overview,
  QueuedRequest,
  Range,
  Work,
} from './models.ts'
import type { PageDatabase } from './page_database.ts'
import { type SearchResult, type SearchTerm, search } from './search.ts'
import { SharedAnswers } from './shared_answers.ts'

/** What the page shows and does. However many look, the database is asked for each thing about once a second. */
export interface PageData {
  health(whole?: boolean): Promise<Health>
  overview(): Promise<Overview>
  charts(range: Range): Promise<Chart[]>
  search(term: SearchTerm): Promise<SearchResult>
  changes(): Promise<{ changes: Change[] }>
  negatives(): Promise<{ negatives: Negative[] }>
  requests(state: 'waiting' | 'gave_up'): Promise<{ requests: QueuedRequest[] }>
  work(): Promise<Work>
  actions(): Promise<{ actions: Action[] }>
  metrics(): Promise<Exposition>
  /** Each in words: what came of it. */
  fetch(actor: Actor, identifier: Identifier): Promise<string>
  retry(actor: Actor, identifier: Identifier): Promise<string>
  retryAll(actor: Actor): Promise<string>
  unlock(actor: Actor): Promise<string>
}

/** How long an answer is shown to others, too. */
const keptMs = 1000
/** The checks look at much. */
const healthKeptMs = 2000

/** Most rows of each list. */
const mostRows = 200

export interface PageDataOptions {
  readonly database: PageDatabase
  /** The newest that this pgfigi brings along; null where it does not know. */
  readonly latestMigration: string | null
  readonly crontab: readonly CrontabLine[]
}

export function createPageData({ database, latestMigration, crontab }: PageDataOptions): PageData {
  const shared = new SharedAnswers()
  const metrics = new Metrics()
  const read = <T>(name: string, work: Parameters<typeof database.read<T>>[0]) =>
    shared.of(name, keptMs, () => database.read(work))
  const act = async (work: Parameters<typeof database.act<string>>[0]) => {
    try {
      return await database.act(work)
    } finally {
      shared.forget()
    }
  }

  const health: PageData['health'] = (whole = false) =>
    shared.of(whole ? 'whole health' : 'health', healthKeptMs, async () => {
      const options = { whole, latestMigration }
      return reportOf(await database.readPrimary((sql) => healthChecks(sql, options)))
    })

  return {
    health,
    overview: () =>
      read('overview', async (sql) => {
        const [stats, values] = await Promise.all([cacheStats(sql), gauges(sql)])
        const backlog = values.find(({ gauge }) => gauge === 'backlog_seconds')
        return overviewOf(stats, backlog?.value ?? null)
      }),
    charts: (range) =>
      read(`charts ${range}`, async (sql) => {
        const [row] = await sql<[{ now: Date }]>`select pg_catalog.statement_timestamp() as now`
        const span = spanOf(range, row.now)
        const since = span.at[0] ?? row.now
        const bucketMs = span.bucketSeconds * 1000
        const [counts, sizes] = await Promise.all([
          countsSince(sql, since, bucketMs),
          sizesSince(sql, since, bucketMs),
        ])
        return chartsOf(span, counts, sizes)
      }),
    search: (term) => read(`search ${JSON.stringify(term)}`, (sql) => search(sql, term)),
    changes: () =>
      read('changes', async (sql) => ({ changes: (await pageChanges(sql, mostRows)).map(dated) })),
    negatives: () =>
      read('negatives', async (sql) => ({ negatives: (await pageNegatives(sql, mostRows)).map(dated) })),
    requests: (state) =>
      read(`requests ${state}`, async (sql) => ({
        requests: (await pageRequests(sql, state, mostRows)).map(dated),
      })),
    work: () =>
      read('work', async (sql) => {
        const [jobs, processes, runs] = await Promise.all([
          pageJobs(sql, mostRows),
          pageProcesses(sql),
          pageRuns(sql),
        ])
        const lastRuns = new Map(runs.map(dated).map((run) => [run.task, run.last_run_at]))
        const cron = crontab.map((line) => ({ ...line, last_run_at: lastRuns.get(line.task) ?? null }))
        return { jobs: jobs.map(dated), processes: processes.map(dated), cron }
      }),
    actions: () =>
      read('actions', async (sql) => ({ actions: (await pageActions(sql, mostRows)).map(dated) })),
    metrics: () =>
      shared.of('metrics', keptMs, async () => {
        // Each by itself: what one of them lacks does not hide the others.
        const [totals, values, checked] = await Promise.allSettled([
          read('totals', counterTotals),
          read('gauges', gauges),
          health(),
        ])
        return metrics.exposition({
          isUp: [totals, values, checked].some(
            (read) => read.status === 'fulfilled' || !cannotAnswer(read.reason),
          ),
          totals: totals.status === 'fulfilled' ? totals.value : null,
          gauges: values.status === 'fulfilled' ? values.value : null,
          checks: checked.status === 'fulfilled' ? checked.value.checks : null,
        })
      }),
    fetch: (actor, identifier) => act((sql) => actFetch(sql, actor, identifier)),
    retry: (actor, identifier) => act((sql) => actRetry(sql, actor, identifier)),
    retryAll: (actor) => act((sql) => actRetryAll(sql, actor)),
    unlock: (actor) => act((sql) => actUnlock(sql, actor)),
  }
}

function overviewOf(stats: CacheStats, backlogSeconds: number | null): Overview {
  return { ...stats, backlog_seconds: backlogSeconds }
}
