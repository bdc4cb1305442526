/** A process that takes slots of a shared budget: { acquire: 15 } is answered with when it got each, in milliseconds since 1970. */
import { connect } from '../../src/database/connect.ts'
import { createSharedBudget } from '../../src/database/shared_budget.ts'
import { programArgument } from './program_argument.ts'

const { url, name, limit } = programArgument()
// To connect takes three round trips, and a test may make them as slow as it likes.
const patienceMs = 60_000
const sql = connect(url, { connectTimeoutSeconds: patienceMs / 1000 })
const budget = createSharedBudget(sql, { name, limit, queryTimeoutMs: patienceMs })
const now = () => performance.timeOrigin + performance.now()

process.on('message', async ({ acquire }: { acquire: number }) => {
  const slot = async () => {
    await budget.acquire()
    return now()
  }
  const times = await Promise.all(Array.from({ length: acquire }, slot))
  process.send?.({ times })
})
process.once('SIGTERM', async () => {
  await sql.end()
  process.disconnect()
})
await sql`select 1`
process.send?.('ready')
