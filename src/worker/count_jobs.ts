import 'graphile-worker'
import { workerContext } from './context.ts'

const counted = new WeakSet<object>()

/**
 * Counts the jobs that end, and tells the database under which name this process locks jobs, before it locks the first: so
 * the jobs of a process that died can be told.
 */
export const countJobs: GraphileConfig.Plugin = {
  name: 'PgfigiCountJobs',
  version: '1.0.0',
  worker: {
    hooks: {
      // Called for each of the pool's workers, and awaited before it asks for a job.
      async startWorker(context, { worker }) {
        const { counting } = await workerContext()
        if (!counted.has(context)) {
          counted.add(context)
          // graphile-worker 0.18 locks jobs in the name of the pool, older ones of the worker.
          counting.workerIds = [worker.workerPool.id]
          context.events.on('job:success', ({ job }) =>
            counting.add('worker_jobs', { task: job.task_identifier, outcome: 'done' }),
          )
          context.events.on('job:error', ({ job }) =>
            counting.add('worker_jobs', { task: job.task_identifier, outcome: 'failed' }),
          )
        }
        await counting.flush()
      },
    },
  },
}
