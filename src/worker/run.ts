import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config.ts'
import { answered } from '../database/answered.ts'
import { choiceOf } from '../database/choose_server.ts'
import { connect } from '../database/connect.ts'
import { queryDeadlineMs, within } from '../database/deadline.ts'
import { explained, isAway } from '../database/faults.ts'
import { committedMigrations, migrationsFolder } from '../database/migrations_folder.ts'
import type { Logger } from '../log.ts'
import { sleepFor } from '../waiting.ts'
import { type ContextOptions, workerCounting } from './context.ts'
import { requireDirectConnection } from './direct_connection.ts'
import { requireFit, requireSettings, watchFitness } from './fitness.ts'
import { primaryMoved } from './follow_primary.ts'
import { startPool, type WorkerPool } from './pool.ts'
import { requireWritable } from './writable.ts'

export interface RunningWorker {
  /** Settles when the worker has ended because it was stopped, or rejects with what it cannot go on after, such as a schema of a newer pgfigi. */
  readonly ended: Promise<void>
  /** Claims no more, lets requests under way end for some seconds, gives the rest back. */
  stop(): Promise<void>
}

/** One for counts, one for the look whether it is fit; a third where one has gone dead. */
const countingConnections = 3

const restartPauseMs = 1_000

/** On a connection that swallows everything graphile-worker would wait for ever; leases and locks run out without it. */
const longestStopMs = 20_000

/** As often as it says that it lives. */
const fitnessEveryMs = 5_000

/** On a server that has fallen silent a pool may take a quarter of an hour to end. */
const oldPoolMs = 3_000

/** A pool, and the URL of the one server that it works on. */
interface Started {
  readonly pool: WorkerPool
  readonly server: string
}

/**
 * Runs the tasks and the crontab on the database, until it is stopped, or the database becomes one that it must not work on. graphile-worker ends by itself where the database
 * goes away in the moment in which it completes a job, and stays with the server that it began with: it is started again then,
 * and where another of several servers takes the writes.
 */
export async function startWorker(
  config: Config,
  url: string,
  logger: Logger,
  options: Pick<ContextOptions, 'leaseMs'> = {},
): Promise<RunningWorker> {
  const stopping = new AbortController()
  const ours = await committedMigrations(migrationsFolder())
  await requireDirectConnection(url)
  const sql = connect(url, { max: countingConnections, applicationName: 'pgfigi counting' })
  const counting = workerCounting(sql, logger)
  const choice = choiceOf(url, 'read-write')
  const checkFit = () => answered(sql, queryDeadlineMs, requireFit(sql, ours))
  const start = async (): Promise<Started> => {
    await checkFit()
    const server = (await choice?.choose()) ?? url
    return { server, pool: await startPool(config, { url, server }, logger, { ...options, counting }) }
  }
  const endCounting = async () => {
    await counting.close()
    await sql.end({ timeout: 1 })
  }
  const checked = requireSettings(sql).then(() => requireWritable(sql))
  let { pool, server } = await answered(sql, queryDeadlineMs, checked)
    .then(start)
    .catch(async (error) => {
      await endCounting()
      throw explained(error)
    })

  async function startAgain(): Promise<Started | null> {
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

  async function untilOver(): Promise<void> {
    const watching = new AbortController()
    const signal = AbortSignal.any([stopping.signal, watching.signal])
    const moved = primaryMoved(choice, server, signal).then(
      () => true,
      () => pool.ended.then(() => false),
    )
    const hasMoved = await Promise.race([moved, pool.ended.then(() => false)])
    watching.abort()
    if (stopping.signal.aborted) return
    if (!hasMoved) {
      logger.warn({}, 'The worker ended by itself, as when the database goes away; it is started again')
      return
    }
    logger.warn({}, 'Another server of the database takes the writes now: the worker moves there')
    await Promise.race([pool.stop(), sleep(oldPoolMs, undefined, { ref: false })])
  }

  async function supervise(): Promise<void> {
    for (;;) {
      await untilOver()
      if (stopping.signal.aborted) return
      const next = await startAgain()
      if (!next) return
      pool = next.pool
      server = next.server
      if (stopping.signal.aborted) await pool.stop()
    }
  }

  async function stopWhereUnfit(): Promise<void> {
    try {
      await watchFitness(checkFit, fitnessEveryMs, stopping.signal)
    } catch (error) {
      logger.error({}, 'The worker stops: it must not go on with this database')
      stopping.abort()
      await pool.stop()
      throw error
    }
  }

  const ended = Promise.all([supervise().finally(() => stopping.abort()), stopWhereUnfit()])
    .then(() => {})
    .finally(endCounting)
  ended.catch(() => {})
  return {
    ended,
    async stop() {
      stopping.abort()
      const inOrder = pool.stop().then(() => ended.catch(() => {}))
      await within(longestStopMs, 'The worker', inOrder).catch((error: Error) =>
        logger.warn(
          { reason: error.message },
          'The worker ends without the database; what it held is done by the next',
        ),
      )
    },
  }
}
