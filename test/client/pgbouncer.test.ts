import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import type { Resolution } from '../../src/index.ts'
import { silentLogger } from '../../src/log.ts'
import { startWorker } from '../../src/worker/run.ts'
import { type Installation, jsonLines, run, withInstallation } from '../cli/pgfigi.ts'
import { withClients } from '../support/client_stage.ts'
import { makeCusip, makeCusips } from '../support/identifiers_maker.ts'
import { isKept } from '../support/kept.ts'
import { observe } from '../support/mappings.ts'
import { knownSecurities } from '../support/openfigi_simulator.ts'
import { withPgBouncer } from '../support/pgbouncer.ts'
import { until } from '../support/until.ts'

const test = suite('behind PgBouncer in transaction mode')

const { apple } = knownSecurities

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
      for await (const row of pgfigi.resolveMany(makeCusips(0, 2_000))) rows.push(row)
      assert.ok(rows.every(({ status }) => status === 'hit' || status === 'negative'))
      assert.equal(
        rows.map(({ input }) => input),
        makeCusips(0, 2_000),
      )
      const asked = sim.log.length
      const again = await Promise.all(makeCusips(0, 2_000).map((value) => pgfigi.resolve(value)))
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

test('the commands work, too', () =>
  withInstallation(
    async ({ url, sql, env }) => {
      const hasRun = await withPgBouncer(url, (pooledUrl) => tryCommands(pooledUrl, { sql, env }))
      if (!hasRun) console.log('\nSKIPPED: a real PgBouncer (it is not installed)')
    },
    { limit: { requests: 1_000_000, windowMs: 1000 } },
  ))

async function tryCommands(
  pooledUrl: string,
  { sql, env }: Pick<Installation, 'sql' | 'env'>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'pooled-'))
  const pooled = { ...env, DATABASE_URL: pooledUrl, PGFIGI_PREPARE: 'false', OPENFIGI_RATE_LIMIT: '1000/1s' }
  const pgfigi = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(args, { env: pooled })
    assert.is(code, 0, `pgfigi ${args.join(' ')}: ${stdout}${stderr}`)
    assert.not.match(stderr, /prepared statement|error/i)
    return stdout
  }
  try {
    const table = join(folder, 'table.csv')
    const rows = makeCusips(10_000, 3_000).map((value, n) => `${value},T${n},2024-01-0${(n % 9) + 1}`)
    await writeFile(table, ['cusip,ticker,date', ...rows].join('\n'))
    assert.equal(jsonLines(await pgfigi('import', '--json', table))[0]?.imported, 3_000)
    assert.equal(jsonLines(await pgfigi('import', '--json', table))[0]?.unchanged, 3_000)
    const holdings = join(folder, 'holdings.csv')
    await writeFile(holdings, ['cusip', ...makeCusips(10_000, 500), ...makeCusips(20_000, 300)].join('\n'))
    // All at once, on a pool of two.
    const [enriched, exported, stats, history] = await Promise.all([
      pgfigi('enrich', holdings),
      pgfigi('export', '--format', 'csv'),
      pgfigi('stats', '--json'),
      pgfigi('history', '--json', makeCusip(10_000)),
      pgfigi('resolve', ...makeCusips(20_000, 50)),
      pgfigi('changes', '--since', '2020-01-01T00:00:00Z'),
    ])
    assert.is(enriched.trim().split('\n').length, 801)
    assert.ok(exported.trim().split('\n').length >= 3_001)
    assert.ok(Number(jsonLines(stats)[0]?.total_cached) >= 3_000)
    assert.is(jsonLines(history).length, 1)
    await writeFile(join(folder, 'warm.txt'), makeCusips(30_000, 200).join('\n'))
    await pgfigi('warm', join(folder, 'warm.txt'))
    await pgfigi('refresh', '--wait')
    const [left] =
      await sql`select count(*)::int as count from figi_private.fetch_requests where gave_up_at is null`
    assert.is(left?.count, 0)
    await sql`analyze`
    await run(['health', '--json'], { env: pooled }).then(({ stdout, stderr }) => {
      assert.is.not(stdout, '', stderr)
      const { checks } = jsonLines(stdout)[0] as { checks: { name: string; sentence: string }[] }
      assert.ok(checks.length > 10, stdout)
      assert.not.ok(
        checks.some(({ sentence }) => /could not be made/.test(sentence)),
        stdout,
      )
    })
    await pgfigi('clear', '--yes')
    const worker = await run(['worker'], { env: pooled })
    assert.is(worker.code, 1)
    assert.match(worker.stderr, /The worker needs a direct connection to PostgreSQL/)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

test.run()
