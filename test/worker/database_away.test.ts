// runs alone: it stops and starts a server of its own
import postgres from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { testKey } from '../support/canaries.ts'
import { forkProgram } from '../support/child.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { withSimulator } from '../support/openfigi_simulator.ts'
import { withOwnCluster } from '../support/own_cluster.ts'
import { until } from '../support/until.ts'

const test = suite('a worker whose database is away')

async function withSql<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    return await work(sql)
  } finally {
    await sql.end({ timeout: 5 })
  }
}

const waiting = (url: string) =>
  withSql(url, async (sql) => (await sql`select from figi_private.fetch_requests`).length)

test('waits for it and goes on by itself, twice, without losing anything', () =>
  withSimulator({ limit: { requests: 1000, windowMs: 1000 }, latencyMs: 300 }, (sim) =>
    withOwnCluster(async (cluster) => {
      const environment = {
        DATABASE_URL: cluster.url,
        OPENFIGI_API_URL: sim.url,
        OPENFIGI_API_KEY: testKey,
        OPENFIGI_RATE_LIMIT: '5/500ms',
      }
      await using worker = await forkProgram('worker_process.ts', { leaseMs: 3000 }, environment)
      for (const round of [0, 1]) {
        const values = Array.from({ length: 1500 }, (_, n) => makeCusip(round * 10_000 + n))
        await withSql(cluster.url, (sql) => sql`select from public.resolve_mappings('CUSIP', ${values})`)
        const asked = sim.log.length
        await until('some are under way', () => sim.log.length > asked + 2)
        await cluster.stop()
        await until('it has noticed', () => /away|terminated|ECONNREFUSED|closed/i.test(worker.output()))
        await cluster.start()
        const ms = await until('all are resolved', async () => (await waiting(cluster.url)) === 0, 40).catch(
          (error) => {
            throw new Error(`${error.message}\n${worker.output()}`)
          },
        )
        console.log(`\n    all resolved ${(ms / 1000).toFixed(1)} s after the database was back`)
      }
      assert.is(await worker.end('SIGTERM'), 0, worker.output())
      const rows = await withSql(
        cluster.url,
        (sql) => sql`select from public.security_mappings where end_date is null`,
      )
      assert.is(rows.length, 3000)
    }),
  ))

test.run()
