import { run, Logger as WorkerLogger } from 'graphile-worker'
import type { Config } from '../config.ts'
import { pgUrl } from '../database/pg_url.ts'
import type { Logger } from '../log.ts'
import { type ContextOptions, openWorkerContext } from './context.ts'
import { countJobs } from './count_jobs.ts'
import { drainAtStart } from './drain_at_start.ts'
import { mostClockOffsetMs } from './fitness.ts'
import { workerSettings } from './settings.ts'

/** graphile-worker with our tasks, and what these share. */
export interface WorkerPool {
  /** Resolves when it has ended, by itself or because it was stopped, and everything is closed. */
  readonly ended: Promise<void>
  stop(): Promise<void>
}

/** `server` is the one of the URL's that graphile-worker is to work on: it cannot choose, as our own connections do. */
export async function startPool(
  config: Config,
  { url, server }: { readonly url: string; readonly server: string },
  logger: Logger,
  options: ContextOptions,
): Promise<WorkerPool> {
  const { concurrentJobs, pollInterval, taskDirectory, crontabFile, ...worker } = workerSettings
  const context = openWorkerContext(config, url, logger, options)
  const runner = await run({
    connectionString: pgUrl(server),
    concurrency: concurrentJobs,
    pollInterval,
    taskDirectory,
    crontabFile,
    noHandleSignals: true,
    preset: { plugins: [countJobs, drainAtStart], worker },
    logger: new WorkerLogger(() => (level, message) => {
      if (level === 'error') logger.error({}, message)
      else if (level === 'warning') logger.warn({}, message)
      else logger.debug({}, message)
    }),
  }).catch(async (error) => {
    await context.close()
    throw error
  })
  // It would run and record every minute until the one that the clock says: where that is wrong, minutes that are to come.
  // Without its crontab the pool ends, and is started again where the clock is right.
  runner.events.on('cron:overdueTimer', ({ cron, currentTimestamp, expectedTimestamp }) => {
    if (currentTimestamp - expectedTimestamp > mostClockOffsetMs) void cron.release()
  })
  const close = () =>
    context.close().catch((error) => logger.warn({ err: error }, 'The worker could not be closed'))
  return {
    ended: runner.promise.catch(() => {}).then(close),
    async stop() {
      await Promise.allSettled([close(), runner.stop()])
    },
  }
}
