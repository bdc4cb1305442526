import type { Sql } from 'postgres'
import { OpenFIGIClient, type OpenFIGIClientOptions } from '../../src/index.ts'
import { requireNoTrace, testKey } from './canaries.ts'
import { withDatabase } from './database.ts'
import { type Simulator, type SimulatorOptions, withSimulator } from './openfigi_simulator.ts'
import { type RecordingLogger, recordingLogger } from './recording_logger.ts'

export interface ClientStage {
  readonly sim: Simulator
  /** For looking at the database past the client. */
  readonly sql: Sql
  readonly url: string
  readonly logger: RecordingLogger
  /** A client of that database and simulator, closed in the end. */
  client(options?: OpenFIGIClientOptions): OpenFIGIClient
}

/** A simulator without a limit, a database, and as many clients as a test wants. */
export function withClients(
  work: (stage: ClientStage) => Promise<void>,
  options: SimulatorOptions = {},
): Promise<void> {
  return withSimulator({ limit: { requests: 1_000_000, windowMs: 1000 }, ...options }, (sim) =>
    withDatabase(async ({ sql, url }) => {
      const logger = recordingLogger()
      await using clients = new AsyncDisposableStack()
      const settings = { dbUrl: url, apiUrl: sim.url, apiKey: testKey, rateLimit: '1000/1s', logger }
      await work({
        sim,
        sql,
        url,
        logger,
        client: (own) => clients.use(new OpenFIGIClient({ ...settings, ...own })),
      })
      requireNoTrace('the log of the clients', logger.text())
    }),
  )
}
