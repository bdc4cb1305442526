import { type Config, defaultJobsPerRequest } from '../config.ts'
import { migrateUp, requireMigrated } from '../database/migrate.ts'
import { type OpenDatabase, openDatabase } from '../database/open.ts'
import { placeOf as placeOfServers } from '../database/server_urls.ts'
import type { RunningPage } from '../http/running_page.ts'
import type { createLogger } from '../log.ts'
import { type RunningWorker, startWorker } from '../worker/run.ts'

/** A worker on its database, perhaps with the page. Disposing of it stops these first and gives the database back last. */
export interface Service extends AsyncDisposable {
  readonly database: OpenDatabase
  readonly worker: RunningWorker
  readonly page: RunningPage | null
}

export interface ServiceOptions {
  /** Whether the schema is brought up to date before. */
  readonly migrates: boolean
  readonly signal: AbortSignal
  /** The page in the same process; without it there is none. */
  readonly page?: { readonly allowActions: boolean }
}

/** Brings up the database, where it is the embedded one, the worker and the page. */
export async function startService(
  config: Config,
  logger: ReturnType<typeof createLogger>,
  { migrates, signal, page: pageOptions }: ServiceOptions,
): Promise<Service> {
  const database = await openDatabase(config, logger)
  try {
    signal.throwIfAborted()
    if (!database.isEmbedded) {
      if (migrates) await migrateUp(database.url, { logger, signal })
      else await requireMigrated(database.url)
    }
    const page = pageOptions ? await openPage(config, database.url, logger, pageOptions.allowActions) : null
    const worker = await startWorker(config, database.url, logger).catch(async (error) => {
      await page?.[Symbol.asyncDispose]()
      throw error
    })
    return {
      database,
      worker,
      page,
      async [Symbol.asyncDispose]() {
        await Promise.all([worker.stop(), page?.[Symbol.asyncDispose]()])
        await database.release()
      },
    }
  } catch (error) {
    await database.release()
    throw error
  }
}

/** The page; null where nobody chose its port and the usual one is in use, as by another pgfigi. */
async function openPage(
  config: Config,
  url: string,
  logger: ReturnType<typeof createLogger>,
  allowActions: boolean,
): Promise<RunningPage | null> {
  const { startPage } = await import('../http/running_page.ts')
  const { PageListenError } = await import('../errors/page_listen_error.ts')
  try {
    return await startPage(config, url, { allowActions, logger })
  } catch (error) {
    const isTaken = error instanceof PageListenError && error.code === 'EADDRINUSE'
    if (!isTaken || config.page.port !== undefined) throw error
    logger.warn({}, `${error.message} Until then pgfigi goes on without the page.`)
    return null
  }
}

/** Where the database is, without its password. */
export function placeOf(database: OpenDatabase, config: Config): string {
  const url = URL.parse(database.url)
  // Of several servers, which is what cannot be parsed, no user is told.
  if (!url) return `postgres://${placeOfServers(database.url)}`
  Object.assign(url, { password: '', search: '' })
  return database.isEmbedded ? `${url.href} (embedded, in ${config.home})` : url.href
}

/** Whether there is a key, and the limits in force. */
export function limitsOf(config: Config): string {
  const { capacity, windowMs } = config.rateLimit
  const window = windowMs % 1000 === 0 ? `${windowMs / 1000} s` : `${windowMs} ms`
  const limits = `${capacity} requests in ${window}, ${config.jobsPerRequest} identifiers each`
  if (config.apiKey !== undefined) return `with an API key: ${limits}`
  return `without an API key: ${limits}. With one (free, from https://www.openfigi.com/api, in OPENFIGI_API_KEY) it is ${defaultJobsPerRequest(true)} identifiers each, ten times as often`
}
