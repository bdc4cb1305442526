import { spawnSync } from 'node:child_process'
import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ConfigError, OpenFIGIClient } from '../../src/index.ts'
import { cleanEnvironment } from '../support/clean_environment.ts'
import { withClients } from '../support/client_stage.ts'
import { packageRoot } from '../support/cluster.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { textOf } from '../support/recording_logger.ts'

const test = suite('the API key')

const key = 'canary-5e1f-KEY-b00c'

/** Everything in the database, system tables that hold no data of ours aside. */
async function dump(sql: Sql): Promise<string> {
  const tables = await sql<{ schema: string; name: string }[]>`
    select schemaname as schema, tablename as name
    from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema')`
  let text = ''
  for (const { schema, name } of tables) {
    const rows = await sql`select t::text as row from ${sql(schema)}.${sql(name)} t`
    text += rows.map(({ row }) => row).join('\n')
  }
  const activity = await sql`select query, application_name from pg_stat_activity`
  return text + activity.map((row) => `${row.query} ${row.application_name}`).join('\n')
}

test('appears in no log line, no error and nowhere in the database, whatever goes wrong', () =>
  withClients(async ({ client, sim, sql, logger }) => {
    const errors: unknown[] = []
    const pgfigi = client({ apiKey: key })
    await pgfigi.resolve(makeCusip(0))
    assert.is(sim.log[0]?.status, 200)
    const echo = `Invalid API key ${key}. ${JSON.stringify({ 'x-openfigi-apikey': key })}`
    const faults = [
      { status: 500, body: echo, times: 4 },
      { status: 400, body: echo, times: 1 },
      { kind: 'html', body: echo, times: 4 },
      { kind: 'notJson', body: echo, times: 4 },
      { kind: 'jobErrors', message: echo, times: 1 },
      { kind: 'reset', times: 4 },
      { kind: 'truncated', times: 4 },
      { status: 401, body: echo, times: 1 },
    ] as const
    await Promise.all(
      faults.map(async (fault, n) => {
        // A client for each: a circuit that opens would keep the others from being tried.
        const one = client({ apiKey: key, maxConnections: 2 })
        const value = makeCusip(100 + n)
        sim.fail({ ...fault, idValues: [value], filtered: true })
        const row = await one.resolve(value)
        errors.push(row.error)
        await one.getTickerFromCusip(value).catch((error) => errors.push(error))
      }),
    )
    sim.clearFaults()
    // How many there are depends on who asks for whom.
    assert.ok(errors.some((error) => error !== null))
    const away = client({ apiKey: key, dbUrl: 'postgres://somebody:canary-password@127.0.0.1:1/nothing' })
    await away.getCacheStats().catch((error) => errors.push(error))
    sim.fail({ status: 401, body: echo, times: 1 })
    await away.getTickerFromCusip(makeCusip(200)).catch((error) => errors.push(error))

    const said = `${logger.text()}\n${errors.map((error) => textOf(error)).join('\n')}`
    assert.match(said, 'Invalid API key [secret]', 'what quotes it has been met')
    assert.not.match(said, key)
    assert.not.match(said, 'canary-password')
    const kept = await dump(sql)
    assert.match(kept, 'key-')
    assert.not.match(kept, key)
    assert.ok(sim.log.every((entry) => entry.key.length === 8))
  }))

test('is not quoted where it cannot be used', () => {
  for (const apiKey of [`${key} with a blank`, `${key}\n`]) {
    try {
      new OpenFIGIClient({ apiKey, cacheMaxAgeDays: Number.NaN })
      assert.unreachable()
    } catch (error) {
      assert.instance(error, ConfigError)
      assert.not.match(textOf(error), key)
    }
  }
})

test('is not shown by util.inspect of a client', () => {
  const script = `
    import { OpenFIGIClient } from './src/index.ts'
    console.log(new OpenFIGIClient({ apiKey: '${key}', dbUrl: 'postgres://a:canary-password@127.0.0.1:1/b' }))
    console.log(JSON.stringify(new OpenFIGIClient({ apiKey: '${key}' })))`
  const run = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', script], {
    cwd: packageRoot,
    env: cleanEnvironment(),
    encoding: 'utf8',
  })
  assert.is(run.status, 0, run.stderr)
  assert.match(run.stdout, 'OpenFIGIClient')
  assert.not.match(run.stdout + run.stderr, /canary/)
})

test.run()
