// takes minutes: servers are lost and promoted
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { OpenFIGIClient } from '../../src/index.ts'
import { testKey } from '../support/canaries.ts'
import { type Child, forkProgram } from '../support/child.ts'
import { figure } from '../support/figure.ts'
import { makeCusips } from '../support/identifiers_maker.ts'
import { type Simulator, withSimulator } from '../support/openfigi_simulator.ts'
import { recordingLogger } from '../support/recording_logger.ts'
import { type ReplicaStage, withReplica } from '../support/replica.ts'
import { until } from '../support/until.ts'

const test = suite('a primary that is lost, and a standby that is promoted')

const simulator = { limit: { requests: 1_000_000, windowMs: 1000 } }
const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`

/** Both servers in one URL. */
function bothOf(
  { primaryUrl, replicaUrl }: ReplicaStage,
  query = '?target_session_attrs=read-write',
): string {
  return `${primaryUrl.replace(/(:\d+)\//, `$1,127.0.0.1:${new URL(replicaUrl).port}/`)}${query}`
}

function clientOf(url: string, sim: Simulator, logger = recordingLogger()): OpenFIGIClient {
  return new OpenFIGIClient({ dbUrl: url, apiUrl: sim.url, apiKey: testKey, rateLimit: '1000/1s', logger })
}

function workerOf(url: string, sim: Simulator): Promise<Child> {
  const environment = {
    DATABASE_URL: url,
    OPENFIGI_API_URL: sim.url,
    OPENFIGI_API_KEY: testKey,
    OPENFIGI_RATE_LIMIT: '1000/1s',
  }
  return forkProgram('worker_process.ts', { leaseMs: 3000 }, environment)
}

async function withSql<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    return await work(sql)
  } finally {
    await sql.end({ timeout: 1 })
  }
}

const openRows = (url: string, values: readonly string[]) =>
  withSql(url, async (sql) => {
    const rows = await sql`
      select from public.security_mappings
      where end_date is null and identifier_value = any(${values as string[]})`
    return rows.length
  })

/** As an analyst does, who knows nothing of clients: until a worker has fetched them. */
async function workerFetches(url: string, values: readonly string[]): Promise<void> {
  await withSql(url, (sql) => sql`select from public.resolve_mappings('CUSIP', ${values as string[]})`)
  await until('the worker has fetched them', async () => (await openRows(url, values)) === values.length)
}

async function isWritten(client: OpenFIGIClient, url: string, values: readonly string[]): Promise<number> {
  return until(
    'a fetch is written',
    async () => {
      await Promise.all(values.map((value) => client.resolve(value)))
      return (await openRows(url, values)) === values.length
    },
    60,
  )
}

async function run(work: (stage: ReplicaStage, sim: Simulator) => Promise<void>): Promise<void> {
  await withSimulator(simulator, async (sim) => {
    const hasRun = await withReplica((stage) => work(stage, sim))
    if (!hasRun) console.log('\nSKIPPED: a failover (there is no PostgreSQL in /usr/lib/postgresql)')
  })
}

test('killed: clients and workers write to the promoted one by themselves, what was not replicated is fetched again, and nobody goes back', () =>
  run(async (stage, sim) => {
    const url = bothOf(stage)
    const logger = recordingLogger()
    const client = clientOf(url, sim, logger)
    const worker = await workerOf(url, sim)
    try {
      const kept = makeCusips(0, 50)
      await Promise.all(kept.map((value) => client.resolve(value)))
      await stage.caughtUp()
      await workerFetches(stage.primaryUrl, makeCusips(100, 50))
      await stage.caughtUp()

      stage.replication.block()
      const lost = makeCusips(1000, 50)
      await Promise.all(lost.map((value) => client.resolve(value)))
      assert.is(await openRows(stage.primaryUrl, lost), 50)
      assert.is(await openRows(stage.replicaUrl, lost), 0, 'it is not replicated')
      await stage.stopPrimary()
      stage.replication.cut()
      stage.replication.unblock()
      const meanwhile = await Promise.all(makeCusips(2000, 20).map((value) => client.resolve(value)))
      assert.ok(meanwhile.every(({ status }) => status === 'hit' || status === 'negative'))
      await stage.promote()
      const promotedAt = performance.now()

      const clientMs = await isWritten(client, stage.replicaUrl, makeCusips(3000, 10))
      await workerFetches(stage.replicaUrl, makeCusips(4000, 10))
      const workerMs = performance.now() - promotedAt
      assert.ok(clientMs < 10_000, `the client wrote ${seconds(clientMs)} after the promotion`)
      assert.ok(
        workerMs < 10_000,
        `the worker wrote ${seconds(workerMs)} after the promotion\n${worker.output()}`,
      )
      figure(`written ${seconds(clientMs)} (client) and ${seconds(workerMs)} (worker) after the promotion`)

      const asked = lost.map((value) => sim.requestsFor(value).length)
      const again = await Promise.all(lost.map((value) => client.resolve(value)))
      assert.ok(again.every(({ status }) => status === 'hit' || status === 'negative'))
      assert.ok(lost.every((value, n) => sim.requestsFor(value).length > Number(asked[n])))
      assert.is(await openRows(stage.replicaUrl, lost), 50)
      await until(
        'what was fetched meanwhile is written',
        async () => (await openRows(stage.replicaUrl, makeCusips(2000, 20))) === 20,
      )
      figure('50 mappings that were not replicated were fetched again')

      // The old one comes back as it was, and takes writes that nobody would see.
      await stage.startPrimary()
      await withSql(
        stage.replicaUrl,
        (sql) => sql`
        select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'`,
      )
      await isWritten(client, stage.replicaUrl, makeCusips(5000, 20))
      await workerFetches(stage.replicaUrl, makeCusips(6000, 10))
      assert.is(await openRows(stage.primaryUrl, [...makeCusips(5000, 20), ...makeCusips(6000, 10)]), 0)
      assert.equal(logger.messages('error'), [])
    } finally {
      await client.close()
      await worker.end('SIGTERM')
    }
  }))

test('made read-only while connected: nothing fails with 25006, and writes go to the promoted one', () =>
  run(async (stage, sim) => {
    const url = bothOf(stage)
    const logger = recordingLogger()
    const client = clientOf(url, sim, logger)
    const worker = await workerOf(url, sim)
    try {
      await Promise.all(makeCusips(0, 50).map((value) => client.resolve(value)))
      await workerFetches(stage.primaryUrl, makeCusips(100, 10))
      await stage.caughtUp()
      await stage.primary`alter system set default_transaction_read_only = on`
      await stage.primary`select pg_reload_conf()`
      await sleep(300)
      await stage.promote()
      const ms = await isWritten(client, stage.replicaUrl, makeCusips(1000, 20))
      const promotedAt = performance.now()
      await workerFetches(stage.replicaUrl, makeCusips(2000, 10))
      const workerMs = performance.now() - promotedAt
      assert.ok(ms < 10_000 && workerMs < 10_000, `${seconds(ms)}, ${seconds(workerMs)}`)
      figure(
        `written elsewhere ${seconds(ms)} (client) and ${seconds(workerMs)} (worker) after the old one was made read-only`,
      )
      assert.is(await openRows(stage.primaryUrl, [...makeCusips(1000, 20), ...makeCusips(2000, 10)]), 0)
      assert.equal(logger.messages('error'), [])
    } finally {
      await client.close()
      await worker.end('SIGTERM')
    }
  }))

test.run()
