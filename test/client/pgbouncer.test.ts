import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import type { Resolution } from '../../src/index.ts'
import { silentLogger } from '../../src/log.ts'
import { startWorker } from '../../src/worker/run.ts'
import { withClients } from '../support/client_stage.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { isKept } from '../support/kept.ts'
import { observe } from '../support/mappings.ts'
import { knownSecurities } from '../support/openfigi_simulator.ts'
import { withPgBouncer } from '../support/pgbouncer.ts'
import { until } from '../support/until.ts'

const test = suite('behind PgBouncer in transaction mode')

const { apple } = knownSecurities
const range = (from: number, count: number) => Array.from({ length: count }, (_, n) => makeCusip(from + n))

test('the client works without prepared statements, with a pool of two', () =>
  withClients(async ({ client, sql, url, logger, sim }) => {
    await observe(sql, 'CUSIP', apple.key, 'OLD', '2020-01-01')
    await observe(sql, 'CUSIP', apple.key, 'AAPL')
    const hasRun = await withPgBouncer(url, async (pooledUrl) => {
      const settings = { dbUrl: pooledUrl, prepare: false }
      const pgfigi = client(settings)
      assert.is(await pgfigi.getTickerFromCusip(apple.key), 'AAPL')
      assert.is(await pgfigi.getTickerFromCusip(apple.key, { asOf: '2020-06-01' }), 'OLD')
      const rows: Resolution[] = []
      for await (const row of pgfigi.resolveMany(range(0, 2_000))) rows.push(row)
      assert.ok(rows.every(({ status }) => status === 'hit' || status === 'negative'))
      assert.equal(
        rows.map(({ input }) => input),
        range(0, 2_000),
      )
      const asked = sim.log.length
      const again = await Promise.all(range(0, 2_000).map((value) => pgfigi.resolve(value)))
      assert.equal(
        again.map(({ ticker }) => ticker),
        rows.map(({ ticker }) => ticker),
      )
      assert.is(sim.log.length, asked)
      const stats = await pgfigi.getCacheStats()
      assert.is(stats.total_cached, 2_001)
      assert.is(await pgfigi.refreshStaleCacheEntries(), 0)
      assert.equal(logger.messages('warn'), [])

      const config = parseConfig({ DATABASE_URL: pooledUrl, OPENFIGI_API_URL: sim.url })
      const refusal = startWorker(config, pooledUrl, silentLogger).then(
        () => '',
        (error) => String(error.message),
      )
      const caching = client({ ...settings, cacheInProcess: 10 })
      await caching.resolve(apple.key)
      const direct = client({ ...settings, cacheInProcess: 10, dbDirectUrl: url })
      await until('it is kept', () => isKept(direct, sql, apple.key))
      await until('it says that it cannot listen', () => logger.messages('warn').length > 0)
      assert.not(await isKept(caching, sql, apple.key))
      assert.equal(logger.messages('warn'), ['Nothing is cached in the process'])
      const [warning] = logger.lines.filter(({ level }) => level === 'warn')
      assert.match(JSON.stringify(warning?.fields), /transaction pooler.*DATABASE_DIRECT_URL/)
      assert.match(await refusal, /The worker needs a direct connection to PostgreSQL/)
      assert.equal(logger.messages('error'), [])
    })
    if (!hasRun) console.log('\nSKIPPED: a real PgBouncer (it is not installed)')
  }))

test.run()
