import type { Config } from '../config.ts'
import { explained, isAway } from '../database/faults.ts'
import type { Logger } from '../log.ts'
import { sleepFor } from '../openfigi/waiting.ts'
import { requireDirectConnection } from './direct_connection.ts'
import { startPool, type WorkerOptions, type WorkerPool } from './pool.ts'

export interface RunningWorker {
  /** Settles when the worker has ended because it was stopped, or rejects with what it cannot go on after. */
  readonly ended: Promise<void>
  /** Claims no more, lets requests under way end for some seconds, gives the rest back. */
  stop(): Promise<void>
}

const restartPauseMs = 1_000

/**
 * Runs the tasks and the crontab on the database, until it is stopped. graphile-worker ends by itself where the database
 * goes away in the moment in which it completes a job: it is then started again.
 */
export async function startWorker(
  config: Config,
  url: string,
  logger: Logger,
  options: WorkerOptions = {},
): Promise<RunningWorker> {
  const stopping = new AbortController()
  const start = () =>
    startPool(config, url, logger, options).catch((error) => {
      throw explained(error)
    })
  await requireDirectConnection(url)
  let pool = await start()

  async function startAgain(): Promise<WorkerPool | null> {
    for (;;) {
      await sleepFor(restartPauseMs, stopping.signal).catch(() => {})
      if (stopping.signal.aborted) return null
      try {
        return await startPool(config, url, logger, options)
      } catch (error) {
        if (!isAway(error)) throw explained(error)
      }
    }
  }

  async function supervise(): Promise<void> {
    for (;;) {
      await pool.ended
      if (stopping.signal.aborted) return
      logger.warn({}, 'The worker ended by itself, as when the database goes away; it is started again')
      const next = await startAgain()
      if (!next) return
      pool = next
      if (stopping.signal.aborted) await pool.stop()
    }
  }

  const ended = supervise()
  ended.catch(() => {})
  return {
    ended,
    async stop() {
      stopping.abort()
      await pool.stop()
      await ended.catch(() => {})
    },
  }
}
