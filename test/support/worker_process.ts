/**
 * A worker in a process of its own, set up by the environment; the argument may be { leaseMs: 3000 }. Stops at
 * SIGTERM, and fails where it cannot go on. Its log goes to stderr.
 */
import { parseConfig } from '../../src/config.ts'
import { createLogger } from '../../src/log.ts'
import { startWorker } from '../../src/worker/run.ts'
import { programArgument } from './program_argument.ts'

const config = parseConfig(process.env)
const options = programArgument() as { leaseMs?: number }
const worker = await startWorker(config, config.databaseUrl ?? '', createLogger(config, 'info'), options)
process.once('SIGTERM', async () => {
  await worker.stop()
  process.disconnect()
})
process.send?.('ready')
await worker.ended.catch((error: Error) => {
  console.error(error.message)
  process.exit(1)
})
