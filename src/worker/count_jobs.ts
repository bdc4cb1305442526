import 'graphile-worker'
import { workerContext } from './context.ts'

/** The workers of each pool. */
const pools = new WeakMap<object, string[]>()

/**
 * Counts the jobs that end, and tells the database under which names this process locks jobs, before it locks the first:
 * so the jobs of a process that died can be told.
 */
export const countJobs: GraphileConfig.Plugin = {
  name: 'PgfigiCountJobs',
  version: '1.0.0',
  worker: {
    hooks: {
      // Called for each of the pool's workers, and awaited before it asks for a job.
      async startWorker(context, { worker }) {
        const { counting } = await workerContext()
        const workerIds = pools.get(context) ?? []
        if (workerIds.length === 0) {
          pools.set(context, workerIds)
          counting.workerIds = workerIds
          context.events.on('job:success', ({ job }) =>
            counting.add('worker_jobs', { task: job.task_identifier, outcome: 'done' }),
          )
          context.events.on('job:error', ({ job }) =>
            counting.add('worker_jobs', { task: job.task_identifier, outcome: 'failed' }),
          )
        }
        workerIds.push(worker.workerId)
        await othersStart()
        await counting.flush()
      },
    },
  },
}

/** The workers of a pool start in the same tick: one flush does for all. */
function othersStart(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
