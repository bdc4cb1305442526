import type { Config } from '../config.ts'
import { connect } from '../database/connect.ts'
import { explained, isAway } from '../database/faults.ts'
import type { Logger } from '../log.ts'
import { sleepFor } from '../openfigi/waiting.ts'
import { type ContextOptions, workerCounting } from './context.ts'
import { requireDirectConnection } from './direct_connection.ts'
import { startPool, type WorkerPool } from './pool.ts'
import { requireWritable } from './writable.ts'

export interface RunningWorker {
  /** Settles when the worker has ended because it was stopped, or rejects with what it cannot go on after. */
  readonly ended: Promise<void>
  /** Claims no more, lets requests under way end for some seconds, gives the rest back. */
  stop(): Promise<void>
}

/** One; a second and a third only where one has gone dead. */
const countingConnections = 3

const restartPauseMs = 1_000

/**
 * Runs the tasks and the crontab on the database, until it is stopped. graphile-worker ends by itself where the database
 * goes away in the moment in which it completes a job: it is then started again.
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
  await requireWritable(sql).catch(async (error) => {
    await sql.end({ timeout: 1 })
    throw explained(error)
  })
  const counting = workerCounting(sql, logger)
  const start = () => startPool(config, url, logger, { ...options, counting })
  const endCounting = async () => {
    await counting.close()
    await sql.end({ timeout: 1 })
  }
  let pool = await start().catch(async (error) => {
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

  const ended = supervise().finally(endCounting)
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
