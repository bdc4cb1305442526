import { join } from 'node:path'
import { codeRoot, packageRoot } from '../package_root.ts'

/** How graphile-worker runs our tasks, by `pgfigi worker` and by itself. */
export const workerSettings = {
  /** One job drains the queue of requests; the others tell it that there is more, or refresh. */
  concurrentJobs: 4,
  /** For jobs that are put off; new ones announce themselves. */
  pollInterval: 1000,
  taskDirectory: join(codeRoot, 'tasks'),
  crontabFile: join(packageRoot, 'crontab'),
  /**
   * Without a delay, graphile-worker 0.18.0 awaits neither: where the database is away when a job ends, that is an
   * unhandled rejection, and the process crashes.
   */
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
}
