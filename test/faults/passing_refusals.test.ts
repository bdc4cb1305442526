// takes minutes: a server of its own, of which sessions are taken away and given back
import { setTimeout as sleep } from 'node:timers/promises'
import postgres, { type Sql } from 'postgres'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OpenFIGIClient } from '../../src/index.ts'
import { start } from '../cli/pgfigi.ts'
import { testKey } from '../support/canaries.ts'
import { figure } from '../support/figure.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { withSimulator } from '../support/openfigi_simulator.ts'
import { withOwnCluster } from '../support/own_cluster.ts'
import { recordingLogger } from '../support/recording_logger.ts'
import { until } from '../support/until.ts'

interface Passing {
  readonly name: string
  begin(admin: Sql, url: string): Promise<() => Promise<void>>
}

const byReload = (name: string, statement: string, back: string): Passing => ({
  name,
  async begin(admin) {
    await admin.unsafe(statement)
    await admin`select pg_reload_conf()`
    return async () => {
      await admin.unsafe(back)
      await admin`select pg_reload_conf()`
    }
  },
})

const passing: readonly Passing[] = [
  byReload(
    'a read-only database',
    'alter system set default_transaction_read_only = on',
    'alter system reset default_transaction_read_only',
  ),
  byReload(
    'a statement timeout',
    "alter system set statement_timeout = '1ms'",
    'alter system reset statement_timeout',
  ),
  {
    name: 'too many connections',
    async begin(admin, url) {
      // Others take what is there while pgfigi's own sessions are cut off.
      const others: Sql[] = []
      const takeAll = async () => {
        for (;;) {
          const other = postgres(url, {
            max: 1,
            idle_timeout: 0,
            max_lifetime: null,
            connect_timeout: 3,
            onnotice: () => {},
          })
          const isIn = await other`select`.then(
            () => true,
            () => false,
          )
          if (!isIn) return other.end({ timeout: 0 })
          others.push(other)
        }
      }
      await takeAll()
      await admin`
        select pg_terminate_backend(pid) from pg_stat_activity
        where application_name like 'pgfigi%' or application_name ~ 'worker'`
      await takeAll()
      return async () => {
        await Promise.all(others.map((other) => other.end({ timeout: 0 })))
      }
    },
  },
]

test('worker, page and client go on by themselves when what refused them has passed', () =>
  withSimulator({ limit: { requests: 100_000, windowMs: 1000 } }, (openfigi) =>
    withOwnCluster(
      async (cluster) => {
        // Spared by what is set for everybody.
        const connection = { options: '-c statement_timeout=0 -c default_transaction_read_only=off' }
        const admin = postgres(cluster.url, { max: 1, onnotice: () => {}, connection })
        await admin.unsafe(
          `create role tester login password '${new URL(cluster.url).password}'; grant pgfigi to tester`,
        )
        const own = new URL(cluster.url)
        own.username = 'tester'
        const env = {
          DATABASE_URL: own.href,
          OPENFIGI_API_URL: openfigi.url,
          OPENFIGI_API_KEY: testKey,
          OPENFIGI_RATE_LIMIT: '1000/1s',
          PGFIGI_QUERY_TIMEOUT_MS: '3000',
        }
        const worker = start(['worker'], { env })
        const page = start(['serve', '--port', '0'], { env })
        using stack = new DisposableStack()
        for (const { child } of [worker, page]) stack.defer(() => child.kill('SIGKILL'))
        await using client = new OpenFIGIClient({
          dbUrl: own.href,
          apiUrl: openfigi.url,
          apiKey: testKey,
          rateLimit: '1000/1s',
          queryTimeoutMs: 3000,
          logger: recordingLogger(),
        })
        const [address] = await Promise.all([
          page.firstLine(/^Page {2}(.*)$/),
          worker.printed('Ready.'),
          client.resolve('037833100'),
        ])
        let next = 0
        for (const { name, begin } of passing) {
          const end = await begin(admin, own.href)
          const answers = await Promise.all([
            client.resolve(makeCusip(next++)).catch((error) => error),
            fetch(new URL('/', address)).catch((error) => error),
          ])
          assert.not.match(String(answers[1]), 'TypeError', name)
          await sleep(3_000)
          await end()
          const mendedAt = performance.now()
          const value = makeCusip(next++)
          await until(`${name}: the worker fetches again`, async () => {
            await admin`select from public.resolve_mapping('CUSIP', ${value})`
            return (
              (await admin`select from public.current_mappings where identifier_value = ${value}`).length ===
              1
            )
          })
          const worked = performance.now() - mendedAt
          await until(`${name}: the client uses the database again`, async () => {
            const resolution = await client.resolve(makeCusip(next++)).catch(() => null)
            return resolution !== null && resolution.id !== null
          })
          await until(`${name}: the page is ready again`, async () => {
            const { status } = await fetch(new URL('/readyz', address))
            return status === 200
          })
          for (const running of [worker, page]) assert.is(running.child.exitCode, null, name)
          figure(
            `${name}: the worker at work again after ${(worked / 1000).toFixed(1)} s, all after ${((performance.now() - mendedAt) / 1000).toFixed(1)} s`,
          )
        }
        for (const { child, ended } of [worker, page]) {
          child.kill('SIGTERM')
          const { code, stderr } = await ended
          assert.is(code, 0, stderr.slice(-2000))
        }
        await admin.end({ timeout: 1 })
      },
      { settings: { max_connections: '40' } },
    ),
  ))

test.run()
