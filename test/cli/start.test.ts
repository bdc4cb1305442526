import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { testKey } from '../support/canaries.ts'
import { withSimulator } from '../support/openfigi_simulator.ts'
import { jsonLines, run, serverOf, start, withHome } from './pgfigi.ts'

test('start brings up everything, other commands join it, and Ctrl-C leaves no process behind', () =>
  withSimulator({}, (openfigi) =>
    withHome(async (home) => {
      const env = { PGFIGI_HOME: home, OPENFIGI_API_URL: openfigi.url, OPENFIGI_API_KEY: testKey }
      const service = start(['start', '--port', '0'], { env })
      await service.printed('Ready.')
      const server = await serverOf(home)
      assert.ok(server)

      const url = (await run(['psql-url'], { env })).stdout.trim()
      const joined = await run(['resolve', '--json', '037833100', '--no-wait'], { env })
      assert.is(jsonLines(joined.stdout)[0]?.status, 'miss')
      for (let status: unknown = 'miss'; status !== 'hit'; await sleep(50)) {
        status = jsonLines((await run(['resolve', '--no-wait', '--json', '037833100'], { env })).stdout)[0]
          ?.status
      }
      const page = await service.firstLine(/^Page +(http:\S+)$/)
      assert.match(await (await fetch(page)).text(), '<title>Overview')
      assert.is(await serverOf(home), server, 'the second command has neither stopped nor restarted it')

      service.child.kill('SIGINT')
      service.child.kill('SIGINT') // as npm does
      const { code, stdout, stderr } = await service.ended
      assert.is(code, 0)
      assert.is(await serverOf(home), null)
      assert.match(stdout, 'with an API key: 25 requests in 7 s, 100 identifiers each')
      assert.match(stdout, `select * from resolve_mapping('CUSIP', '037833100');`)
      assert.match(stdout, /psql "\$\(PGFIGI_HOME=.* psql-url\)"/)
      for (const secret of [testKey, new URL(url).password]) assert.not.match(stdout + stderr, secret)
    }),
  ))

test('a command that runs alone starts the database for itself, and stops it after', () =>
  withSimulator({}, (openfigi) =>
    withHome(async (home) => {
      const env = { PGFIGI_HOME: home, OPENFIGI_API_URL: openfigi.url }
      const { code, stdout } = await run(['resolve', '037833100'], { env })
      assert.is(code, 0)
      assert.match(stdout, '037833100\tAAPL\thit\t')
      assert.is(await serverOf(home), null)
    }),
  ))

test('with DATABASE_URL, start migrates that database and uses it', () =>
  withHome(async (home) => {
    const { withAdmin, dropDatabase } = await import('../support/template.ts')
    const { clusterUrl, databaseUrl } = await import('../support/cluster.ts')
    const name = `pgfigi_clone_${process.pid}_start`
    await withAdmin((sql) => sql`create database ${sql(name)} template template0`)
    try {
      const env = { DATABASE_URL: databaseUrl(await clusterUrl(), name), PGFIGI_HOME: home }
      const service = start(['start', '--no-page'], { env })
      await service.printed('Ready.')
      service.child.kill('SIGTERM')
      const { code, stdout } = await service.ended
      assert.is(code, 0)
      assert.not.match(stdout, 'Page')
      assert.is((await run(['stats'], { env })).code, 0)
      assert.is(await serverOf(home), null)
    } finally {
      await dropDatabase(name)
    }
  }))

test.run()
