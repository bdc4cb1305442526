import type { Config } from '../config.ts'
import { connect } from '../database/connect.ts'
import { explained, isAway } from '../database/faults.ts'
import type { Logger } from '../log.ts'
import { sleepFor } from '../openfigi/waiting.ts'
import { type ContextOptions, workerCounting } from './context.ts'
import { requireDirectConnection } from './direct_connection.ts'
import { requireFit, requireSettings, watchFitness } from './fitness.ts'
import { startPool, type WorkerPool } from './pool.ts'

export interface RunningWorker {
  /** Settles when the worker has ended because it was stopped, or rejects with what it cannot go on after, such as a schema of a newer pgfigi. */
  readonly ended: Promise<void>
  /** Claims no more, lets requests under way end for some seconds, gives the rest back. */
  stop(): Promise<void>
}

/** One; a second and a third only where one has gone dead. */
const countingConnections = 3

const restartPauseMs = 1_000

/** As often as it says that it lives. */
const fitnessEveryMs = 5_000

/**
 * Runs the tasks and the crontab on the database, until it is stopped, or the database becomes one that it must not work on.
 * graphile-worker ends by itself where the database goes away in the moment in which it completes a job: it is then
 * started again.
 */
export async function startWorker(
  config: Config,
  url: string,
  logger: Logger,
  options: Pick<ContextOptions, 'leaseMs'> = {},
): Promise<RunningWorker> {
  const stopping = new AbortController()
  await requireDirectConnection(url)
  const sql = connect(url, { max: countingConnections, applicationName: 'pgfigi counting' })
  const counting = workerCounting(sql, logger)
  const start = async () => {
    await requireFit(sql)
    return startPool(config, url, logger, { ...options, counting })
  }
  const endCounting = async () => {
    await counting.close()
    await sql.end({ timeout: 1 })
  }
  let pool = await requireSettings(sql)
    .then(start)
    .catch(async (error) => {
      await endCounting()
      throw explained(error)
    })

  async function startAgain(): Promise<WorkerPool | null> {
    for (;;) {
      await sleepFor(restartPauseMs, stopping.signal).catch(() => {})
      if (stopping.signal.aborted) return null
      try {
        return await start()
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

  async function stopWhereUnfit(): Promise<void> {
    try {
      await watchFitness(() => requireFit(sql), fitnessEveryMs, stopping.signal)
    } catch (error) {
      logger.error({}, 'The worker stops: it must not go on with this database')
      stopping.abort()
      await pool.stop()
      throw error
    }
  }

  const ended = Promise.all([supervise(), stopWhereUnfit()])
    .then(() => {})
    .finally(endCounting)
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
