import postgres from 'postgres'
import { databaseUrl } from '../../support/cluster.ts'
import { spawnSimulator } from '../../support/simulator_process.ts'
import { cloneDatabase, dropDatabase } from '../../support/template.ts'
import { afterMeasurement } from '../clean_up.ts'
import {
  coldBook,
  latencyMs,
  leastRequests,
  limitTime,
  rateLimit,
  throughClient,
  throughWorker,
} from '../cold_book.ts'
import type { Comparison, Measurement } from '../harness.ts'

const count = 10_000

/** A cold book against the limit's own time, in a database of its own, with the simulator as a process of its own. */
export const cold: Measurement = {
  name: 'cold',
  async comparisons({ url }, log) {
    // It enforces the limit as OpenFIGI does, whose 25 in 6 s are to our 25 in 7 s.
    const enforced = `${rateLimit.requests}/${(rateLimit.windowMs * 6) / 7}ms`
    const starting = spawnSimulator(['--limit', enforced, '--latency', String(latencyMs), '--no-log-jobs'])
    afterMeasurement(async () => (await starting)[Symbol.asyncDispose]())
    const simulator = await starting
    const name = await cloneDatabase()
    afterMeasurement(() => dropDatabase(name))
    const own = databaseUrl(url, name)
    const sql = postgres(own, { max: 1, idle_timeout: 0, onnotice: () => {} })
    afterMeasurement(() => sql.end({ timeout: 5 }))
    const values = coldBook(count)
    const least = leastRequests(values)
    const against = (title: string, fetchAll: () => Promise<number>): Comparison => ({
      title: `${count} cold identifiers ${title}, against the limit's own time for ${least} requests`,
      kind: 'time',
      target: 1.1,
      warmUp: false,
      baseline: async () => limitTime(least),
      async ours() {
        await sql`select public.purge_cache()`
        await sql`truncate figi_private.api_budgets`
        await sql`vacuum (analyze)`
        await simulator.reset()
        const tookMs = await fetchAll()
        const { requests, byStatus } = await simulator.summary()
        if (byStatus[200] !== requests) throw new Error(`refused: ${JSON.stringify(byStatus)}`)
        log(`cold: ${title}: ${requests} requests, least ${least}; ${Math.round(tookMs)} ms`)
        return tookMs
      },
    })
    return [
      against('through resolveMany', () =>
        throughClient(own, simulator.url, values, (client, values) =>
          Array.fromAsync(client.resolveMany(values)),
        ),
      ),
      against('through resolve, all at once', () =>
        throughClient(own, simulator.url, values, (client, values) =>
          Promise.all(values.map((value) => client.resolve(value))),
        ),
      ),
      against('through a worker, once asked for in SQL', async () => {
        const { tookMs, askingMs } = await throughWorker(own, simulator.url, values)
        log(`cold: asking took ${Math.round(askingMs)} ms`)
        return tookMs
      }),
    ]
  },
}
