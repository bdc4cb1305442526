import 'graphile-worker'

const drained = new WeakSet<object>()

/**
 * A worker that starts drains the queue at once: the job of one that was killed stays locked for hours, and the cron
 * comes only with the next minute.
 */
export const drainAtStart: GraphileConfig.Plugin = {
  name: 'PgfigiDrainAtStart',
  version: '1.0.0',
  worker: {
    hooks: {
      // Called for each of the pool's workers.
      async startWorker(context, { withPgClient }) {
        if (drained.has(context)) return
        drained.add(context)
        await withPgClient((client) =>
          client.query(
            `select graphile_worker.add_job('fetch_mappings', job_key => 'pgfigi_drain', max_attempts => 1)`,
          ),
        )
      },
    },
  },
}
