import { type Config, parseConfig, readEnvironment } from '../config.ts'
import { ProcessCounting } from '../counting/process_counting.ts'
import { connect, type Sql } from '../database/connect.ts'
import { runningEmbedded } from '../database/embedded.ts'
import { ConfigError } from '../errors/config_error.ts'
import { createLogger, type Logger } from '../log.ts'
import { createFetcher } from '../pipeline/create_fetcher.ts'
import type { Fetcher } from '../pipeline/fetcher.ts'

/** What the tasks of one process share: connections, the one fetcher, and who counts. */
export interface WorkerContext {
  readonly config: Config
  readonly sql: Sql
  readonly fetcher: Fetcher
  readonly counting: ProcessCounting
  readonly logger: Logger
  close(): Promise<void>
}

export interface ContextOptions {
  /** How long others leave our claims alone after we have died. */
  readonly leaseMs?: number | undefined
  /** Who counts, where that outlives the context. */
  readonly counting?: ProcessCounting | undefined
}

let shared: Promise<WorkerContext> | null = null

/** The one that was made from the environment. */
let own: Promise<WorkerContext> | null = null

/** The context of this process; made from the environment where nobody has made one before, as under plain graphile-worker. */
export function workerContext(): Promise<WorkerContext> {
  if (shared) return shared
  own = fromEnvironment().catch((error) => {
    shared = null
    own = null
    throw error
  })
  shared = own
  return shared
}

/** Closes the context that was made from the environment, which nobody else knows of; one that somebody opened is theirs to close. */
export async function closeOwnContext(): Promise<void> {
  const context = await own
  if (context && context === (await shared)) await context.close()
}

/** Makes the context that the tasks of this process will use. */
export function openWorkerContext(
  config: Config,
  url: string,
  logger: Logger,
  { leaseMs, counting: given }: ContextOptions = {},
): WorkerContext {
  const sql = connect(url, { max: 5, applicationName: 'pgfigi worker' })
  const counting = given ?? workerCounting(sql, logger)
  const fetcher = createFetcher(config, { sql, logger, counting, leaseMs })
  const context: WorkerContext = {
    config,
    sql,
    fetcher,
    counting,
    logger,
    async close() {
      await fetcher.close()
      if (!given) await counting.close()
      await sql.end({ timeout: 5 })
      if ((await shared) === context) shared = null
    },
  }
  shared = Promise.resolve(context)
  return context
}

/** Counts for a worker, and says every few seconds that it lives. */
export function workerCounting(sql: Sql, logger: Logger): ProcessCounting {
  return new ProcessCounting({ kind: 'worker', query: (query) => query(sql), isHeartbeat: true, logger })
}

/** The database of the environment, or the embedded one where it runs. */
export async function workerDatabaseUrl(config: Config): Promise<string> {
  const url = config.databaseUrl ?? (await runningEmbedded(config.home))?.url
  if (url !== undefined) return url
  throw new ConfigError([
    'DATABASE_URL is not set and the embedded database does not run: set it, or run pgfigi start',
  ])
}

async function fromEnvironment(): Promise<WorkerContext> {
  const config = parseConfig(readEnvironment())
  return openWorkerContext(config, await workerDatabaseUrl(config), createLogger(config))
}
