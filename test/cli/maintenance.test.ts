import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { clusterUrl } from '../support/cluster.ts'
import { jsonLines, run, start, withHome, withInstallation } from './pgfigi.ts'

test('stats counts; refresh requests what is stale, and with --wait fetches it', () =>
  withInstallation(async ({ env, sql, openfigi }) => {
    await run(['resolve', '037833100', '594918104', '459200101'], { env })
    const text = await run(['stats'], { env })
    assert.is(text.code, 0)
    assert.match(text.stdout, /^total_cached\t3\nfound_cached\t3\n/)
    await sql`
      update security_mappings
      set start_date = start_date - interval '90 days', last_fetched_date = last_fetched_date - interval '90 days'`

    const first = await run(['refresh', '--max-rows', '1', '--json'], { env })
    assert.is(first.stdout, '{"requested":1}\n')
    const [before] = jsonLines((await run(['stats', '--json'], { env })).stdout)
    const { hit_rate_1h, hit_rate_24h, budget_used, ...counts } = before ?? {}
    for (const rate of [hit_rate_1h, hit_rate_24h, budget_used])
      assert.ok(rate === null || (Number(rate) >= 0 && Number(rate) <= 1), String(rate))
    assert.equal(counts, {
      total_cached: 3,
      found_cached: 3,
      not_found_cached: 0,
      stale: 3,
      history_rows: 0,
      pending: 1,
      gave_up: 0,
    })
    const rest = await run(['refresh', '--wait'], { env })
    assert.is(rest.stdout, 'Requested 2 stale mappings.\n')
    const [after] = jsonLines((await run(['stats', '--json'], { env })).stdout)
    assert.equal([after?.stale, after?.pending], [0, 0])
    assert.is(openfigi.log.length, 2)
  }))

test('clear changes nothing without --yes where nobody can be asked', () =>
  withInstallation(async ({ env, sql }) => {
    await sql`select upsert_mapping('CUSIP', '037833100', 'AAPL')`
    const refused = await run(['clear'], { env, input: 'y\n' })
    assert.is(refused.code, 2)
    assert.match(refused.stderr, '--yes')
    const done = await run(['clear', '--yes', '--json'], { env })
    assert.is(done.code, 0)
    assert.is(done.stdout, '{"closed":1}\n')
    assert.is((await run(['clear', '-y'], { env })).stdout, 'Closed 0 mappings.\n')
    assert.is((await run(['clear', '--purge'], { env })).code, 2)
    assert.is((await run(['clear', '--purge', '-y'], { env })).stdout, 'Forgot 1 mapping.\n')
    assert.is((await sql`table security_mappings`).length, 0)
  }))

test('psql-url prints DATABASE_URL as it is; without one it says that the embedded database does not run', () =>
  withHome(async (home) => {
    const given = await run(['psql-url'], { env: { DATABASE_URL: 'postgres://user:word@host/db' } })
    assert.equal([given.code, given.stdout], [0, 'postgres://user:word@host/db\n'])
    const none = await run(['psql-url'], { env: { PGFIGI_HOME: home } })
    assert.equal([none.code, none.stdout], [1, ''])
    assert.match(none.stderr, 'is not running')
  }))

test('a database without pgfigi, one that is away and a URL that is none are told plainly', async () => {
  const away = 'postgres://user:hunter2secret@127.0.0.1:1/none'
  const [without, worker, gone, noUrl] = await Promise.all([
    run(['stats'], { env: { DATABASE_URL: await clusterUrl() } }),
    run(['worker'], { env: { DATABASE_URL: await clusterUrl() } }),
    run(['stats'], { env: { DATABASE_URL: away, LOG_LEVEL: 'debug' } }),
    run(['stats'], { env: { DATABASE_URL: 'postgres://user:hunter2secret@host:x/db' } }),
  ])
  assert.match(without.stderr, /^error: The database has no pgfigi.*run pgfigi migrate up/)
  assert.match(worker.stderr, /^error: The database has no pgfigi.*run pgfigi migrate up/)
  assert.match(gone.stderr, /^error: The database cannot be reached/)
  assert.match(noUrl.stderr, 'error: DATABASE_URL must be a URL')
  for (const { code, stdout, stderr } of [without, worker, gone, noUrl]) {
    assert.is(code, stderr === noUrl.stderr ? 2 : 1)
    assert.is(stdout, '')
    assert.not.match(stderr, 'hunter2secret')
  }
})

test('the worker fetches what --no-wait has requested, and stops cleanly at SIGTERM', () =>
  withInstallation(async ({ env }) => {
    const worker = start(['worker'], { env })
    await worker.printed('Ready.')
    await run(['resolve', '--no-wait', '037833100'], { env })
    for (let status: unknown = 'miss'; status !== 'hit'; await sleep(50)) {
      status = jsonLines((await run(['resolve', '--no-wait', '--json', '037833100'], { env })).stdout)[0]
        ?.status
    }
    worker.child.kill('SIGTERM')
    const { code, stdout, stderr } = await worker.ended
    assert.is(code, 0)
    assert.is(stdout, '')
    assert.not.match(stderr, new URL(env.DATABASE_URL ?? '').password)
    assert.not.match(stderr, String(env.OPENFIGI_API_KEY))
  }))

test.run()
