import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { health } from '../../src/http/models.ts'
import { forkProgram } from '../support/child.ts'
import { clusterUrl } from '../support/cluster.ts'
import { healthCauses, seeProcess } from '../support/health_causes.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { resolve } from '../support/mappings.ts'
import { until } from '../support/until.ts'
import { run, serverOf, withHome, withInstallation } from './pgfigi.ts'

test('health prints every check with its sentence, and exits with 1 where one fails', () =>
  withInstallation(async ({ env, sql, url }) => {
    const warned = await run(['health'], { env })
    assert.is(warned.code, 0)
    const rows = warned.stdout.trimEnd().split('\n')
    assert.is(rows.length, 17)
    assert.is(rows[0], 'laws\tok\t0 broken laws\tThe laws of security_mappings hold in a sample of its rows.')
    assert.match(rows[2] ?? '', /^worker_seen\twarn\t-\tNo worker runs\. Start one with pgfigi worker/)
    assert.match(warned.stdout, /^connections\tok\t[\d.]+%\t\d+ of \d+ connections/m)
    assert.is((await run(['health', '--fail-on', 'warn'], { env })).code, 1)

    await seeProcess(sql, { process: 'w', kind: 'worker' })
    const well = await run(['health', '--whole', '--fail-on', 'warn'], { env })
    assert.is(well.code, 0, well.stdout)
    assert.match(well.stdout, 'hold in all of its rows')

    const laws = healthCauses({ sql, url }).find(({ check }) => check === 'laws')
    await laws?.cause()
    const broken = await run(['health', '--json'], { env })
    assert.is(broken.code, 1)
    const report = health.parse(JSON.parse(broken.stdout))
    assert.is(report.status, 'fail')
    assert.is(report.checks.length, 17)
    assert.equal([report.checks[0]?.name, report.checks[0]?.value], ['laws', 2])
    assert.ok(Math.abs(Date.now() - Date.parse(report.checked_at)) < 60_000)
    assert.is((await run(['health', '--fail-on', 'never'], { env })).code, 2)
  }))

test('a database that cannot be asked is a check that fails, without a stack or a password', () =>
  withHome(async (home) => {
    const away = 'postgres://user:hunter2secret@127.0.0.1:1/none'
    const [gone, goneJson, noUrl, without, embedded] = await Promise.all([
      run(['health'], { env: { DATABASE_URL: away, LOG_LEVEL: 'debug' } }),
      run(['health', '--json'], { env: { DATABASE_URL: away } }),
      run(['health'], { env: { DATABASE_URL: 'postgres://user:hunter2secret@host:x/db' } }),
      run(['health'], { env: { DATABASE_URL: await clusterUrl() } }),
      run(['health', '--json'], { env: { PGFIGI_HOME: home } }),
    ])
    assert.match(gone.stdout, /^database\tfail\t-\tThe database cannot be reached: .*Check DATABASE_URL/)
    const { status, checks } = health.parse(JSON.parse(goneJson.stdout))
    assert.equal([status, checks.length, checks[0]?.name], ['fail', 1, 'database'])
    assert.is(noUrl.code, 2)
    assert.match(noUrl.stderr, /^error: DATABASE_URL must be a URL/)
    assert.is(noUrl.stdout, '')
    assert.not.match(noUrl.stderr, /hunter2secret|\n\s+at /)
    assert.match(without.stdout, /^migrations\tfail\t-\tThe database has no pgfigi.*run pgfigi migrate up/)
    assert.match(
      JSON.parse(embedded.stdout).checks[0].sentence,
      /embedded database in .* does not run: start it/,
    )
    assert.is(await serverOf(home), null, 'it is not brought up')
    for (const { code, stdout, stderr } of [gone, goneJson, without, embedded]) {
      assert.is(code, 1)
      assert.is(stderr, '')
      assert.not.match(stdout, /hunter2secret|\n\s+at /)
    }
  }))

test('the job of a worker that was killed is told, and worker unlock lets it go', () =>
  withInstallation(async ({ env, sql, openfigi }) => {
    await using worker = await forkProgram('worker_process.ts', { leaseMs: 1000 }, env)
    openfigi.fail({ kind: 'hang', times: Number.POSITIVE_INFINITY })
    await resolve(sql, 'CUSIP', makeCusip(1))
    await until('its request hangs', () => openfigi.log.length > 0)
    const deadJobs = async () => {
      const { stdout } = await run(['health', '--json'], { env })
      return health.parse(JSON.parse(stdout)).checks.find(({ name }) => name === 'dead_jobs')
    }
    assert.is((await deadJobs())?.status, 'ok', 'while it lives')
    await worker.end('SIGKILL')
    // As if a minute had passed.
    await sql`update graphile_worker._private_jobs set locked_at = locked_at - interval '2 minutes'`
    await sql`update figi_private.processes set seen_at = seen_at - interval '2 minutes'`
    const told = await deadJobs()
    assert.is(told?.status, 'warn')
    assert.match(told?.sentence ?? '', /^1 job is held by a worker that is gone, .*pgfigi worker unlock/)

    const unlocked = await run(['worker', 'unlock', '--json'], { env })
    assert.equal([unlocked.code, unlocked.stdout], [0, '{"unlocked":1}\n'])
    assert.is((await deadJobs())?.status, 'ok')
    const again = await run(['worker', 'unlock'], { env })
    assert.equal([again.code, again.stdout], [0, 'Unlocked 0 jobs of workers that are gone.\n'])
    assert.is((await run(['worker', 'lock'], { env })).code, 2)
  }))

test.run()
