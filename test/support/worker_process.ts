/**
 * A worker in a process of its own, set up by the environment: `node worker_process.ts '{"leaseMs": 3000}'`. Stops at
 * SIGTERM. Its log goes to stderr.
 */
import { parseConfig } from '../../src/config.ts'
import { createLogger } from '../../src/log.ts'
import { startWorker } from '../../src/worker/run.ts'

const config = parseConfig(process.env)
const options = JSON.parse(process.argv[2] ?? '{}') as { leaseMs?: number }
const worker = await startWorker(config, config.databaseUrl ?? '', createLogger(config, 'info'), options)
process.once('SIGTERM', async () => {
  await worker.stop()
  process.disconnect()
})
process.send?.('ready')
