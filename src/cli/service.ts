import { type Config, defaultJobsPerRequest } from '../config.ts'
import { migrateUp, requireMigrated } from '../database/migrate.ts'
import { type OpenDatabase, openDatabase } from '../database/open.ts'
import type { Logger } from '../log.ts'
import { type RunningWorker, startWorker } from '../worker/run.ts'

/** A worker on its database. Disposing of it stops the worker first and gives the database back last. */
export interface Service extends AsyncDisposable {
  readonly database: OpenDatabase
  readonly worker: RunningWorker
}

/** Brings up the database, where it is the embedded one, and the worker; with `migrates` the schema before it. */
export async function startService(
  config: Config,
  logger: Logger,
  { migrates, signal }: { migrates: boolean; signal: AbortSignal },
): Promise<Service> {
  const database = await openDatabase(config, logger)
  try {
    signal.throwIfAborted()
    if (!database.isEmbedded) {
      if (migrates) await migrateUp(database.url, { logger, signal })
      else await requireMigrated(database.url)
    }
    const worker = await startWorker(config, database.url, logger)
    return {
      database,
      worker,
      async [Symbol.asyncDispose]() {
        await worker.stop()
        await database.release()
      },
    }
  } catch (error) {
    await database.release()
    throw error
  }
}

/** Where the database is, without its password. */
export function placeOf(database: OpenDatabase, config: Config): string {
  const url = URL.parse(database.url)
  if (url) Object.assign(url, { password: '', search: '' })
  return database.isEmbedded ? `${url?.href} (embedded, in ${config.home})` : (url?.href ?? 'DATABASE_URL')
}

/** Whether there is a key, and the limits in force. */
export function limitsOf(config: Config): string {
  const { capacity, windowMs } = config.rateLimit
  const window = windowMs % 1000 === 0 ? `${windowMs / 1000} s` : `${windowMs} ms`
  const limits = `${capacity} requests in ${window}, ${config.jobsPerRequest} identifiers each`
  if (config.apiKey !== undefined) return `with an API key: ${limits}`
  return `without an API key: ${limits}. With one (free, from https://www.openfigi.com/api, in OPENFIGI_API_KEY) it is ${defaultJobsPerRequest(true)} identifiers each, ten times as often`
}
