import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import { OpenFIGIClient, type OpenFIGIClientOptions } from '../../src/index.ts'
import { ReadReplica } from '../../src/read_replica.ts'
import { testKey } from '../support/canaries.ts'
import { packageRoot } from '../support/cluster.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { observe, requestsFor, resolve } from '../support/mappings.ts'
import { knownSecurities, type Simulator, withSimulator } from '../support/openfigi_simulator.ts'
import { type RecordingLogger, recordingLogger } from '../support/recording_logger.ts'
import { type ReplicaStage, withReplica } from '../support/replica.ts'
import { until } from '../support/until.ts'

const test = suite('lookups on a replica')

const { apple, ibm, microsoft } = knownSecurities
const known = makeCusip(1)
const renamed = makeCusip(2)

async function asAnalyst({ primary, replica, replicaUrl, caughtUp }: ReplicaStage): Promise<void> {
  await primary.unsafe(await readFile(join(packageRoot, 'docs/grants.sql'), 'utf8')).simple()
  await primary`create role reader login password 'reader' in role pgfigi_analyst`
  await observe(primary, 'CUSIP', known, 'KNOWN')
  await observe(primary, 'CUSIP', renamed, 'OLD', '2020-01-01')
  await caughtUp()
  const { default: postgres } = await import('postgres')
  const url = new URL(replicaUrl)
  Object.assign(url, { username: 'reader', password: 'reader' })
  const reader = postgres(url.href, { max: 1 })
  try {
    for (const sql of [replica, reader]) {
      assert.equal((await resolve(sql, 'CUSIP', known)).ticker, 'KNOWN')
      const stale = await resolve(sql, 'CUSIP', renamed)
      assert.equal([stale.status, stale.ticker, stale.fetch_requested], ['stale', 'OLD', false])
      const miss = await resolve(sql, 'CUSIP', ibm.key)
      assert.equal([miss.status, miss.fetch_requested], ['miss', false])
    }
  } finally {
    await reader.end()
  }
}

const sessions = async ({ primary, replica }: ReplicaStage) =>
  await Promise.all(
    [primary, replica].map(async (sql) => {
      const rows =
        await sql`select from pg_stat_activity where application_name in ('pgfigi', 'pgfigi lookups')`
      return rows.length
    }),
  )

async function divides(stage: ReplicaStage, client: OpenFIGIClient, sim: Simulator): Promise<void> {
  assert.is(await client.getTickerFromCusip(known), 'KNOWN')
  assert.equal(
    await sessions(stage),
    [1, 1],
    'what is known is looked up on the replica; the primary says how far it is',
  )
  assert.is(await client.getTickerFromCusip(apple.key), 'AAPL', 'a miss is fetched by way of the primary')
  assert.is(sim.requestsFor(apple.key).length, 1)
  assert.is((await client.resolve(renamed)).ticker, 'OLD', 'stale, and refreshed behind')
  await until(
    'it is refreshed',
    async () => (await resolve(stage.primary, 'CUSIP', renamed)).ticker !== 'OLD',
  )

  const nobody = makeCusip(9)
  assert.is(await client.getTickerFromCusip(nobody, { asOf: '2020-01-01' }), null)
  assert.is(await requestsFor(stage.primary, 'CUSIP', nobody), 1, 'the primary requests it')
  await stage.primary`delete from figi_private.fetch_requests`
}

async function readsItsOwnWrites(stage: ReplicaStage, client: OpenFIGIClient): Promise<void> {
  await observe(stage.primary, 'CUSIP', microsoft.key, 'MSFT OLD', '2020-01-01')
  await stage.caughtUp()
  await stage.replica`select pg_wal_replay_pause()`
  await until('the replay stands still', async () => {
    const [row] = await stage.replica`select pg_get_wal_replay_pause_state() as state`
    return row?.state === 'paused'
  })
  assert.is(await client.getTickerFromCusip(microsoft.key), 'MSFT OLD')
  await until(
    'it is fetched',
    async () => (await resolve(stage.primary, 'CUSIP', microsoft.key)).ticker === 'MSFT',
  )
  assert.is((await resolve(stage.replica, 'CUSIP', microsoft.key)).ticker, 'MSFT OLD', 'the replica lags')
  assert.is(await client.getTickerFromCusip(microsoft.key), 'MSFT')
  assert.is(await client.getTickerFromCusip(microsoft.key, { asOf: new Date() }), 'MSFT')
  assert.is(await client.getTickerFromCusip(ibm.key), 'IBM')
  assert.is(await client.getTickerFromCusip(ibm.key), 'IBM', 'not yet on the replica')

  await client.clearCache()
  assert.is((await resolve(stage.replica, 'CUSIP', known)).status, 'hit', 'still there on the replica')
  assert.is((await client.resolve(known, { wait: false })).status, 'miss', 'this client has cleared it')
  await stage.primary`delete from figi_private.fetch_requests`
  await stage.replica`select pg_wal_replay_resume()`
  await observe(stage.primary, 'CUSIP', known, 'KNOWN')
  await stage.caughtUp()
}

async function survives(stage: ReplicaStage, client: OpenFIGIClient, logger: RecordingLogger): Promise<void> {
  await until('the replica answers again', () =>
    logger.messages('info').includes('The replica answers again'),
  )
  const again = () => logger.messages('info').filter((text) => text === 'The replica answers again').length
  const answeredBefore = again()
  await stage.replica.end({ timeout: 1 })
  await stage.stop()
  const before = logger.messages('warn').length
  assert.is((await client.resolve(known)).ticker, 'KNOWN', 'the primary answers')
  assert.is((await client.resolve(known)).ticker, 'KNOWN')
  assert.equal(logger.messages('warn').slice(before), [
    'The replica cannot answer: the primary does, and the replica is tried again',
  ])
  await stage.start()
  await until('the replica answers again', () => again() > answeredBefore)
  assert.is((await client.resolve(known)).ticker, 'KNOWN')
}

async function takesAnyFailure({ replicaUrl }: ReplicaStage): Promise<void> {
  const logger = recordingLogger()
  const replica = new ReadReplica(replicaUrl, {
    settings: parseConfig({}).client,
    logger,
    primaryLsn: async () => '0/0',
  })
  const conflict = Object.assign(new Error('canceling statement due to conflict with recovery'), {
    code: '40001',
  })
  assert.is(await replica.query(() => Promise.reject(conflict)), null)
  assert.is(await replica.query((sql) => sql`select 1`), null, 'it is left alone for a while')
  assert.is(logger.messages('warn').length, 1)
  await replica.close()
}

test('never fail because it is one: misses, what lags and what is away come from the primary', () =>
  withSimulator({ limit: { requests: 1_000_000, windowMs: 1000 } }, async (sim) => {
    const hasRun = await withReplica(async (stage) => {
      await asAnalyst(stage)
      await takesAnyFailure(stage)
      const logger = recordingLogger()
      const options: OpenFIGIClientOptions = {
        dbUrl: stage.primaryUrl,
        dbReadUrl: stage.replicaUrl,
        apiUrl: sim.url,
        apiKey: testKey,
        rateLimit: '1000/1s',
        logger,
      }
      await using client = new OpenFIGIClient(options)
      await divides(stage, client, sim)
      await readsItsOwnWrites(stage, client)
      await survives(stage, client, logger)
      assert.equal(logger.messages('error'), [])
    })
    if (!hasRun) console.log('\nSKIPPED: a streaming replica (there is no PostgreSQL in /usr/lib/postgresql)')
  }))

test.run()
