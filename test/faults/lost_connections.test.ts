import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { changesSince } from '../../src/database/changes.ts'
import { connect, hangUp, type Sql } from '../../src/database/connect.ts'
import { within } from '../../src/database/deadline.ts'
import { freePort } from '../../src/database/embedded_port.ts'
import { codeOf, isAway } from '../../src/database/faults.ts'
import { transaction } from '../../src/database/transaction.ts'
import { rowsOfQuery } from '../../src/database/user_query.ts'
import { amount } from '../support/at_length.ts'
import { type TestDatabase, withDatabase } from '../support/database.ts'
import { figure } from '../support/figure.ts'
import { startDatabaseProxy } from '../support/tcp_proxy.ts'
import { uncaughtDuring } from '../support/uncaught.ts'
import { until } from '../support/until.ts'

const test = suite('connections that are lost')

/** Whoever is forgotten waits for a minute or for ever; a machine with much to do may take some seconds. */
const patienceMs = 20_000

async function withPool(url: string, max: number, work: (sql: Sql) => Promise<void>): Promise<void> {
  const sql = connect(url, { max })
  try {
    assert.equal(await uncaughtDuring(() => work(sql)), [])
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** As a crash of the server does it: all sessions but those of the test itself end. */
function endOthers(sql: TestDatabase['sql'], url: string): Promise<unknown> {
  return sql`
    select pg_terminate_backend(a.pid)
    from pg_stat_activity a
    where a.datname = ${new URL(url).pathname.slice(1)} and a.application_name = 'pgfigi'`.catch(() => {})
}

/** As endOthers, and returns when they are gone: one that has only been told so may still read a query, and refuse that. */
async function endedOthers(sql: TestDatabase['sql'], url: string): Promise<void> {
  await endOthers(sql, url)
  await until('the other sessions are gone', async () => {
    const left = await sql`
      select from pg_stat_activity a
      where a.datname = ${new URL(url).pathname.slice(1)} and a.application_name = 'pgfigi'`
    return left.length === 0
  })
  await sleep(100)
}

/** Nothing is read from any connection meanwhile: what comes then comes in one turn of the event loop. */
const blockEventLoop = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

const fromLostOn = (work: Promise<unknown>) => work.then(() => null, codeOf)

test('all of a pool at once, by those who ask again at once: the next queries get new connections', () =>
  withDatabase(async ({ sql, url }) => {
    let slowest = 0
    for (let round = 0; round < amount(2, 20); round += 1) {
      await withPool(url, 8, async (pool) => {
        const all = <T>(ask: (n: number) => Promise<T>) =>
          Promise.all(Array.from({ length: 8 }, (_, n) => ask(n)))
        await all(() => pool`select pg_sleep(0.1)`)
        let isOver = false
        const askers = Array.from({ length: 4 }, async () => {
          while (!isOver) await pool`select pg_sleep(0.1)`.catch((error) => assert.ok(isAway(error), error))
        })
        await sleep(150)
        const ended = endOthers(sql, url)
        await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
        blockEventLoop(300)
        await ended
        await sleep(100)
        isOver = true
        await Promise.all(askers)
        const began = performance.now()
        // Twice: what was terminated before its first query fails with that.
        await all(() => pool`select pg_sleep(0.1)`.catch(() => {}))
        await all(() => pool`select pg_sleep(0.1)`)
        slowest = Math.max(slowest, performance.now() - began)
      })
    }
    figure(`all connections of a pool are there again ${(slowest / 1000).toFixed(1)} s after they were lost`)
    assert.ok(slowest < patienceMs, `${slowest} ms`)
  }))

test('while they come about: the query is told, and nothing else happens', () =>
  withDatabase(async ({ url }) => {
    await using proxy = await startDatabaseProxy(url)
    for (let round = 0; round < amount(12, 200); round += 1) {
      await withPool(proxy.urlOf(url), 3, async (pool) => {
        const asked = Array.from({ length: 6 }, (_, n) =>
          fromLostOn(pool`select ${['a']}::text[], ${n}::int`),
        )
        await sleep(round % 12)
        proxy.cut()
        await Promise.all(asked)
      })
    }
  }))

test('given up in the moment in which a query ends: the next one is told, or answered on a new connection', () =>
  withDatabase(async ({ url }) => {
    for (let round = 0; round < amount(3, 30); round += 1) {
      const pool = connect(url, {
        max: 1,
        onParameter: (_, value) => value === 'pgfigi elsewhere' && hangUp(pool),
      })
      await pool`select 1`
      await pool`select set_config('application_name', 'pgfigi elsewhere', false)`
      const told = await within(patienceMs, 'The database', fromLostOn(pool`select 1`))
      assert.ok([null, 'CONNECTION_CLOSED'].includes(told ?? null), String(told))
      assert.equal([...(await within(patienceMs, 'The database', pool`select 1 as one`))], [{ one: 1 }])
      await pool.end({ timeout: 1 })
    }
  }))

test('where none of several servers is there: the next query is answered as soon as one is', () =>
  withDatabase(async ({ url }) => {
    const own = new URL(url)
    const port = await freePort(20_000)
    const both = url.replace(own.host, `127.0.0.1:${port},127.0.0.1:${await freePort(port + 1)}`)
    await withPool(both, 1, async (pool) => {
      for (let tries = 0; tries < 2; tries += 1) assert.ok(await pool`select 1`.then(() => false, isAway))
      await using _proxy = await startDatabaseProxy(url, port)
      assert.equal([...(await within(patienceMs, 'The database', pool`select 1 as one`))], [{ one: 1 }])
    })
  }))

test('in the middle of rows that are taken slowly: what was taken is not taken for all', () =>
  withDatabase(async ({ sql, url }) => {
    await sql`
      insert into public.security_mappings (identifier_type, identifier_value, ticker, start_date, last_fetched_date)
      select 'CUSIP', lpad(n::text, 9, '0'), 'T', now(), now() from generate_series(1, 2500) n`
    const since = new Date(Date.now() - 3_600_000)
    const text = 'select n from generate_series(1, 100000) n'
    for (const rows of [
      (pool: Sql) => changesSince(pool, since),
      (pool: Sql) => rowsOfQuery(pool, text, 100),
    ]) {
      for (const isEnough of [false, true]) {
        await withPool(url, 1, async (pool) => {
          let isLost = false
          const taken = async () => {
            for await (const _ of rows(pool)) {
              if (isLost) continue
              isLost = true
              await endedOthers(sql, url)
              if (isEnough) break
            }
          }
          assert.is(await fromLostOn(taken()), isEnough ? null : 'CONNECTION_CLOSED')
          assert.equal([...(await pool`select 1 as one`)], [{ one: 1 }])
        })
      }
    }
  }))

test('within a transaction: neither commit, rollback nor a file is sent on what is gone', () =>
  withDatabase(async ({ sql, url }) => {
    const ends = {
      'it has nothing more to ask': async () => 'done',
      'it fails otherwise': async () => Promise.reject(new Error('otherwise')),
      'it sends more': (inside: Parameters<Parameters<typeof transaction>[2]>[0]) => inside`select 1`,
    }
    for (const [what, end] of Object.entries(ends)) {
      await withPool(url, 1, async (pool) => {
        const done = transaction(pool, 'read write', async (inside) => {
          await inside`select 1`
          await endedOthers(sql, url)
          return end(inside)
        })
        assert.is(await fromLostOn(done), 'CONNECTION_CLOSED', what)
        assert.equal([...(await pool`select 1 as one`)], [{ one: 1 }])
      })
    }
  }))

test.run()
