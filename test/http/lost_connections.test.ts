import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { connect } from '../../src/database/connect.ts'
import { transaction } from '../../src/database/transaction.ts'
import { withDatabase } from '../support/database.ts'
import { startDatabaseProxy } from '../support/tcp_proxy.ts'
import { uncaughtDuring } from '../support/uncaught.ts'
import { until } from '../support/until.ts'
import { withPage } from './pages.ts'

const test = suite('lost connections')

const passes = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

test('the page outlives them, however many ask, and answers afterwards', () =>
  withDatabase(async ({ sql, url }) => {
    const proxy = await startDatabaseProxy(url)
    await using _proxy = proxy
    await withPage({ url: proxy.urlOf(url) }, async ({ ask }) => {
      const uncaught = await uncaughtDuring(async () => {
        for (let round = 0; round < 4; round++) {
          await sql.begin(async (holder) => {
            await holder`lock table public.security_mappings in access exclusive mode`
            const asked = Array.from({ length: 20 }, (_, n) =>
              ask(n % 4 === 0 ? `/?range=${['1h', '24h', '7d'][n % 3]}` : `/search?q=T${round}X${n}`),
            )
            for (let times = 0; times < 6; times++) {
              await passes(15 + round)
              if (round % 2 === 0) {
                await holder`
                  select pg_terminate_backend(pid) from pg_stat_activity
                  where application_name = 'pgfigi page' and datname = current_database()`
              } else proxy.cut()
            }
            await Promise.all(asked)
          })
        }
      })
      assert.equal(uncaught, [])
      await passes(1100) // failures are shown to others for a second
      assert.is((await ask('/search?q=037833100')).status, 200)
      assert.is((await ask('/api/v1/overview')).status, 200)
    })
  }))

test('a query that comes after its connection is lost is sent nowhere', () =>
  withDatabase(async ({ sql, url }) => {
    const own = connect(url, { max: 1 })
    try {
      let late: unknown
      const uncaught = await uncaughtDuring(async () => {
        const done = transaction(own, 'read only', async (inside) => {
          const [row] = await inside<[{ pid: number }]>`select pg_backend_pid() as pid`
          await sql`select pg_terminate_backend(${row.pid})`
          const isGone = async () =>
            (await sql`select from pg_stat_activity where pid = ${row.pid}`).length === 0
          await until('its session is over', isGone)
          // By turns: after a standstill the timers come first, and what has arrived after them.
          for (let times = 0; times < 10; times++) await passes(20)
          try {
            await inside`select 1`
          } catch (error) {
            late = error
            throw error
          }
        })
        assert.match(await String(await done.catch(String)), 'CONNECTION_CLOSED')
        await passes(300)
      })
      assert.equal(uncaught, [])
      assert.match(String(late), 'CONNECTION_CLOSED')
      assert.equal([...(await own`select 1 as one`)], [{ one: 1 }])
    } finally {
      await own.end({ timeout: 1 })
    }
  }))

test('what fails within a transaction otherwise is rolled back, and told as it is', () =>
  withDatabase(async ({ url }) => {
    const own = connect(url, { max: 1 })
    try {
      const refused = transaction(own, 'read only', (inside) => inside`create table t ()`)
      assert.match(String(await refused.catch(String)), 'read-only transaction')
      assert.equal(
        await transaction(own, 'read only', async (inside) => [...(await inside`select 2 as two`)]),
        [{ two: 2 }],
      )
    } finally {
      await own.end({ timeout: 1 })
    }
  }))

test.run()
