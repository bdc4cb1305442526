import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withPage } from '../http/pages.ts'
import { amount, isAtLength } from '../support/at_length.ts'
import { withDatabase } from '../support/database.ts'
import { figure } from '../support/figure.ts'
import { rawClient } from '../support/raw_client.ts'
import { startDatabaseProxy } from '../support/tcp_proxy.ts'

const test = suite('the page while the database is away')

const paths = [
  '/',
  '/?range=24h',
  '/search?q=AAPL',
  '/search?q=037833100',
  '/changes',
  '/negatives',
  '/requests',
  '/requests?state=gave_up',
  '/work',
  '/runbooks/laws',
  '/login',
  '/assets/page.css',
  '/metrics',
  '/readyz',
  '/healthz',
  ...[
    'health',
    'overview',
    'charts',
    'search?q=AAPL',
    'changes',
    'negatives',
    'requests',
    'work',
    'actions',
  ].map((name) => `/api/v1/${name}`),
  '/api/v1/openapi.json',
]

test('every request is answered, however the database goes and comes', () =>
  withDatabase(async ({ url }) => {
    let isOver = false
    const burning = async () => {
      // As on a machine with too much to do: the loop is late, again and again.
      while (!isOver) {
        const until = performance.now() + 120
        while (performance.now() < until);
        await sleep(20)
      }
    }
    const proxy = await startDatabaseProxy(url)
    await using _proxy = proxy
    const pace = { perSecond: 25, burst: 50, mostWaiting: 256, longestWaitMs: 5000 }
    await withPage({ url: proxy.urlOf(url), pace }, async (visit) => {
      const statuses = new Map<number, number>()
      const lost: string[] = []
      let slowest = 0
      const burned = burning()
      for (let round = 0; round < amount(2, 14); round += 1) {
        const asked = [...paths, ...paths].map(async (path) => {
          const began = performance.now()
          try {
            const { statusCode, body } = await request(visit.url + path)
            await body.dump()
            statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1)
          } catch (error) {
            lost.push(`${round} ${path} after ${Math.round(performance.now() - began)} ms: ${error}`)
          }
          slowest = Math.max(slowest, performance.now() - began)
        })
        if (round % 3 === 2) proxy.block()
        else for (let times = 0; times < 5; times += 1) await sleep(30).then(() => proxy.cut())
        await Promise.all(asked)
        proxy.unblock()
      }
      isOver = true
      await burned
      const count = [...statuses.values()].reduce((sum, each) => sum + each, 0)
      figure(
        `${count} requests answered, ${lost.length} not, the slowest after ${(slowest / 1000).toFixed(1)} s`,
      )
      assert.equal(lost, [])
      assert.equal(
        [...statuses.keys()].filter((status) => ![200, 303, 503].includes(status)),
        [],
      )
      assert.ok(slowest < 20_000, `${slowest} ms`)
      proxy.cut()
      await sleep(1100) // failures are shown to others for a second
      let status = 0
      for (let tries = 0; tries < 20 && status !== 200; tries += 1) {
        status = (await visit.ask('/api/v1/overview')).status
        if (status !== 200) await sleep(500)
      }
      assert.is(status, 200)
    })
  }))

// A connection is kept for twenty seconds.
if (isAtLength)
  test('who comes back late to a connection that was promised to him is answered', () =>
    withPage({}, async ({ url }) => {
      const client = await rawClient(url)
      const ask = async () => {
        const before = client.received().length
        client.socket.write('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
        for (let waited = 0; waited < 40 && client.received().length === before; waited += 1)
          await client.ended(50)
        return client.received().slice(before)
      }
      assert.match(await ask(), /keep-alive: timeout=10\r\n/i)
      await client.ended(15_000)
      assert.match(await ask(), /^HTTP\/1\.1 200/, 'five seconds too late')
      assert.ok(await client.ended(30_000), 'and it is not kept for ever')
    }))

test.run()
