import type { Sql } from 'postgres'
import { testKey } from './canaries.ts'
import { withDatabase } from './database.ts'
import { type Simulator, type SimulatorOptions, withSimulator } from './openfigi_simulator.ts'

/** OpenFIGI, a database, and what tells a process of both in its environment. */
export interface WorkerStage {
  readonly sim: Simulator
  readonly sql: Sql
  readonly url: string
  readonly environment: Record<string, string>
}

/** Where workers and clients work under a limit that they do not feel. */
export function withWorkerStage(
  options: Pick<SimulatorOptions, 'latencyMs' | 'universe'>,
  work: (stage: WorkerStage) => Promise<void>,
): Promise<void> {
  return withSimulator({ limit: { requests: 1000, windowMs: 1000 }, ...options }, (sim) =>
    withDatabase(({ sql, url }) => {
      const environment = {
        DATABASE_URL: url,
        OPENFIGI_API_URL: sim.url,
        OPENFIGI_API_KEY: testKey,
        OPENFIGI_RATE_LIMIT: '1000/1s',
      }
      return work({ sim, sql, url, environment })
    }),
  )
}
