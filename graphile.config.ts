import { WorkerPreset } from 'graphile-worker'
import { parseConfig, readEnvironment } from './src/config.ts'
import { writableServer } from './src/database/choose_server.ts'
import { pgUrl } from './src/database/pg_url.ts'
import { closeAtEnd } from './src/worker/close_at_end.ts'
import { workerDatabaseUrl } from './src/worker/context.ts'
import { countJobs } from './src/worker/count_jobs.ts'
import { drainAtStart } from './src/worker/drain_at_start.ts'
import { workerSettings } from './src/worker/settings.ts'

/** For plain `graphile-worker`, run in this folder. */
const preset: GraphileConfig.Preset = {
  extends: [WorkerPreset],
  plugins: [countJobs, drainAtStart, closeAtEnd],
  worker: {
    ...workerSettings,
    connectionString: pgUrl(await writableServer(await workerDatabaseUrl(parseConfig(readEnvironment())))),
  },
}

export default preset
