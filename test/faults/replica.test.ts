// takes minutes: a replica is cut off for longer than its bound, several times
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { endOfLog } from '../../src/database/replication.ts'
import { OpenFIGIClient } from '../../src/index.ts'
import { testKey } from '../support/canaries.ts'
import { figure } from '../support/figure.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { observe } from '../support/mappings.ts'
import { type Simulator, withSimulator } from '../support/openfigi_simulator.ts'
import { type RecordingLogger, recordingLogger } from '../support/recording_logger.ts'
import { type ReplicaStage, withReplica } from '../support/replica.ts'
import { until } from '../support/until.ts'

const test = suite('a replica that lags, stops or is promoted')

const boundSeconds = 2
const watched = makeCusip(1)
const asides = (logger: RecordingLogger) =>
  logger.lines.filter(({ level, message }) => level === 'warn' && message.includes('replica'))
const returns = (logger: RecordingLogger) =>
  logger.messages('info').filter((message) => message === 'The replica answers again').length

/** Tickers are the second in which they were observed on the primary: so an answer says how old it is. */
async function oldestAnswer(
  stage: ReplicaStage,
  client: OpenFIGIClient,
  seconds: number,
): Promise<{ oldestMs: number; slowestMs: number; lookups: number }> {
  /** Infinite until the write is acknowledged. */
  const writtenAt = new Map<string, number>()
  let [oldestMs, slowestMs, lookups, n] = [0, 0, 0, 0]
  const end = performance.now() + seconds * 1000
  const writes = (async () => {
    while (performance.now() < end) {
      n += 1
      const ticker = `T${Date.now()}${n}`
      writtenAt.set(ticker, Number.POSITIVE_INFINITY)
      await observe(stage.primary, 'CUSIP', watched, ticker)
      writtenAt.set(ticker, performance.now())
      await sleep(100)
    }
  })()
  await until('something is written', () => writtenAt.size > 0)
  while (performance.now() < end) {
    const began = performance.now()
    const { ticker } = await client.resolve(watched)
    slowestMs = Math.max(slowestMs, performance.now() - began)
    // How long before the question the first was acknowledged that the answer should have told.
    const missed = [...writtenAt].slice([...writtenAt.keys()].indexOf(ticker ?? '') + 1)
    const [, first] = missed[0] ?? []
    if (first !== undefined) oldestMs = Math.max(oldestMs, began - first)
    lookups += 1
    await sleep(20)
  }
  await writes
  return { oldestMs, slowestMs, lookups }
}

function clientOf(
  stage: ReplicaStage,
  sim: Simulator,
  logger: RecordingLogger,
  maxReplicaLagSeconds = boundSeconds,
): OpenFIGIClient {
  return new OpenFIGIClient({
    dbUrl: stage.primaryUrl,
    dbReadUrl: stage.replicaUrl,
    maxReplicaLagSeconds,
    apiUrl: sim.url,
    apiKey: testKey,
    rateLimit: '1000/1s',
    logger,
  })
}

async function cutOff(stage: ReplicaStage, client: OpenFIGIClient, logger: RecordingLogger): Promise<void> {
  // On an idle primary it may be cut off for as long as one likes.
  stage.replication.block()
  const before = await endOfLog(stage.primary)
  for (let n = 0; n < 20; n += 1) {
    await client.resolve(watched)
    await sleep(250)
  }
  // It writes a few bytes by itself now and then.
  if ((await endOfLog(stage.primary)) === before) assert.equal(asides(logger), [])
  const { oldestMs, slowestMs, lookups } = await oldestAnswer(stage, client, 12)
  figure(
    `cut off while the primary is written to: ${lookups} lookups, the oldest answer ${(oldestMs / 1000).toFixed(1)} s old (bound ${boundSeconds} s), the slowest after ${slowestMs.toFixed(0)} ms`,
  )
  assert.ok(oldestMs <= boundSeconds * 1000 + 250, `${oldestMs}`)
  assert.ok(asides(logger).length >= 1)
  assert.match(JSON.stringify(asides(logger)[0]?.fields), /more than 2 s behind/)
  const returned = returns(logger)
  stage.replication.unblock()
  await stage.caughtUp()
  await until('it is read again', async () => {
    await client.resolve(watched)
    return returns(logger) > returned
  })
}

async function replayStandsStill(stage: ReplicaStage, client: OpenFIGIClient): Promise<void> {
  await stage.replica`select pg_wal_replay_pause()`
  const { oldestMs } = await oldestAnswer(stage, client, 6)
  figure(`received and not replayed: the oldest answer ${(oldestMs / 1000).toFixed(1)} s old`)
  assert.ok(oldestMs <= boundSeconds * 1000 + 250, `${oldestMs}`)
  await stage.replica`select pg_wal_replay_resume()`
  await stage.caughtUp()
}

async function primaryAway(stage: ReplicaStage, sim: Simulator): Promise<void> {
  const logger = recordingLogger()
  await using client = clientOf(stage, sim, logger, 8)
  await stage.caughtUp()
  await until('the replica is read', async () => {
    await client.resolve(watched)
    return returns(logger) === asides(logger).length
  })
  const ticker = await client.getTickerFromCusip(watched)
  await stage.stopPrimary()
  const asked = () => sim.requestsFor(watched).length
  assert.is(await client.getTickerFromCusip(watched), ticker, 'the replica serves what it has')
  assert.is(asked(), 0)
  await until('nobody can say how old it is: OpenFIGI is asked', async () => {
    assert.ok(await client.getTickerFromCusip(watched))
    return asked() > 0
  })
  await stage.startPrimary()
  await until('the primary is back', () => logger.messages('info').includes('The database is back'))
}

async function promoted(stage: ReplicaStage, sim: Simulator): Promise<void> {
  const logger = recordingLogger()
  await using client = clientOf(stage, sim, logger)
  await until('the replica follows again', async () => {
    await observe(stage.primary, 'CUSIP', watched, 'BOTH')
    await client.resolve(watched)
    const [row] = await stage.replica`select ticker from public.resolve_mapping('CUSIP', ${watched})`
    return row?.ticker === 'BOTH' && returns(logger) === asides(logger).length
  })
  assert.is(await client.getTickerFromCusip(watched), 'BOTH')
  await stage.promote()
  await observe(stage.replica, 'CUSIP', watched, 'ASTRAY')
  for (let n = 0; n < 200; n += 1) {
    assert.is(await client.getTickerFromCusip(watched), 'BOTH')
    await sleep(10)
  }
  assert.match(JSON.stringify(asides(logger).at(-1)?.fields), /no standby: it was promoted/)
}

test('is left for the primary: no answer is older than the bound, whatever stands still', () =>
  withSimulator({ limit: { requests: 1_000_000, windowMs: 1000 } }, async (sim) => {
    const hasRun = await withReplica(async (stage) => {
      const logger = recordingLogger()
      await observe(stage.primary, 'CUSIP', watched, 'FIRST')
      await stage.caughtUp()
      const client = clientOf(stage, sim, logger)
      try {
        await client.resolve(watched)
        await cutOff(stage, client, logger)
        await replayStandsStill(stage, client)
        assert.equal(logger.messages('error'), [])
      } finally {
        await client.close()
      }
      await primaryAway(stage, sim)
      await promoted(stage, sim)
    })
    if (!hasRun) console.log('\nSKIPPED: a streaming replica (there is no PostgreSQL in /usr/lib/postgresql)')
  }))

test.run()
