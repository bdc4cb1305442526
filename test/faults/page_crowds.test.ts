import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { PaceOptions } from '../../src/http/pace.ts'
import { visitTo, withPage } from '../http/pages.ts'
import { amount, isAtLength } from '../support/at_length.ts'
import { figure } from '../support/figure.ts'
import { type RawClient, rawClient } from '../support/raw_client.ts'

const test = suite('crowds, and slow ones')

const password = 'opens every door'
const token = 'token-of-a-test'
const crowd = '127.0.0.2'
/** As `pgfigi serve` has it. */
const usual: PaceOptions = { perSecond: 25, burst: 50, mostWaiting: 256, longestWaitMs: 5000 }

/** How a connection is held: what is sent first, and what every now and then. */
const slow: Readonly<Record<string, { readonly first: string; readonly more: string }>> = {
  'nothing is sent': { first: '', more: '' },
  'a header comes letter by letter': { first: 'GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ', more: 'x' },
  'a body comes letter by letter': {
    first:
      'POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\n',
    more: 'a',
  },
  'a chunked body never ends': {
    first:
      'POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    more: '1\r\n \r\n',
  },
  'answers are not read': {
    first: 'GET /assets/uPlot.iife.min.js HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(4),
    more: '',
  },
}

/** Who is kept out waits until the slow ones are let go, after ten seconds; those that do not read, after thirty. */
const patienceMs = 9500
const patienceWithReadersMs = 25_000

/** What it took, in milliseconds, to get an answer on a new connection; infinity where none came. */
async function probe(
  url: string,
  from: string,
  { path = '/healthz', given = token, waitMs = patienceMs } = {},
): Promise<number> {
  const began = performance.now()
  const client = await rawClient(url, from)
  client.socket.write(
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${given}\r\nConnection: close\r\n\r\n`,
  )
  await client.ended(waitMs)
  client.socket.destroy()
  return client.received().startsWith('HTTP/1.1 200') ? performance.now() - began : Number.POSITIVE_INFINITY
}

async function open(url: string, count: number, from: string): Promise<RawClient[]> {
  return Promise.all(Array.from({ length: count }, () => rawClient(url, from)))
}

for (const [name, { first, more }] of Object.entries(slow)) {
  test(`300 connections on which ${name} keep neither monitoring nor people out`, () =>
    withPage({ token, password, pace: usual }, async ({ url, ask }) => {
      let clients = await open(url, 300, crowd)
      for (const { socket } of clients) {
        if (more === '') socket.pause()
        socket.write(first)
      }
      const waitMs = name === 'answers are not read' ? patienceWithReadersMs : patienceMs
      const took: number[] = []
      for (let round = 0; round < amount(2, 15); round += 1) {
        for (const { socket, isClosed } of clients) if (!isClosed && more !== '') socket.write(more)
        took.push(await probe(url, '127.0.0.1', { waitMs }))
        took.push(await probe(url, '127.0.0.3', { path: '/metrics', waitMs }))
        // Nor others who come from where the crowd does: whoever sends a whole request is heard.
        took.push(await probe(url, crowd, { waitMs }))
        assert.is((await ask('/login')).status, 200)
        await sleep(amount(50, 250))
        // Who was put out comes back.
        const missing = clients.filter(({ isClosed }) => isClosed).length
        clients = [...clients.filter(({ isClosed }) => !isClosed), ...(await open(url, missing, crowd))]
        for (const { socket } of clients.slice(-missing)) socket.write(first)
      }
      figure(`${name}: answers within ${Math.round(Math.max(...took))} ms`)
      assert.ok(Math.max(...took) < waitMs, String(took))
      for (const { socket } of clients) socket.destroy()
    }))
}

// Its limits are ten seconds and more.
if (isAtLength)
  test('whoever is slow is let go after a while', () =>
    withPage({ token, password }, async ({ url }) => {
      const clients = new Map<string, RawClient>()
      for (const [name, { first }] of Object.entries(slow)) {
        const client = await rawClient(url)
        client.socket.write(first)
        if (name === 'answers are not read') client.socket.pause()
        clients.set(name, client)
      }
      const limit = 30_000
      const began = performance.now()
      for (const [name, client] of clients) {
        if (name === 'answers are not read') continue
        assert.ok(await client.ended(limit - (performance.now() - began)), name)
        if (name !== 'nothing is sent') assert.match(client.received(), /^HTTP\/1\.1 (408|403) /, name)
      }
    }))

test('what is sent all at once on one connection is answered in part, and costs little', () =>
  withPage({ token, password, pace: usual }, async ({ url, ask }) => {
    const before = process.memoryUsage().rss
    for (let round = 0; round < amount(2, 50); round += 1) {
      const client = await rawClient(url, crowd)
      client.socket.write('GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(20_000))
      assert.ok(await client.ended(patienceMs))
      assert.ok(client.received().split('HTTP/1.1').length <= 9)
    }
    const grown = (process.memoryUsage().rss - before) / 1e6
    figure(`requests without end on a connection: ${Math.round(grown)} MB more`)
    assert.ok(grown < 150, `${grown} MB`)
    assert.is((await ask('/healthz')).status, 200)
  }))

test('strangers who ask without end make neither people nor monitoring wait', () =>
  withPage({ token, password, pace: usual }, async (visit) => {
    const { url, ask, csrfOf } = visit
    assert.is((await ask('/login', { form: { password, csrf: await csrfOf('/login') } })).status, 303)
    let isOver = false
    const paths = ['/login', '/', '/api/v1/overview', '/healthz', '/assets/page.css', '/metrics']
    let answered = 0
    const load = Array.from({ length: 100 }, async (_, place) => {
      const path = paths[place % paths.length] as string
      while (!isOver) {
        const client = await rawClient(url, crowd)
        client.socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
        await client.ended(8000)
        client.socket.destroy()
        answered += 1
      }
    })
    await sleep(1500)
    const people: number[] = []
    const stranger: number[] = []
    const monitoring: number[] = []
    for (let round = 0; round < amount(3, 60); round += 1) {
      const began = performance.now()
      assert.is((await ask('/search')).status, 200)
      people.push(performance.now() - began)
      monitoring.push(await probe(url, '127.0.0.1', { path: '/metrics' }))
      stranger.push(await probe(url, '127.0.0.3', { path: '/login', given: 'not-the-token' }))
    }
    isOver = true
    await Promise.all(load)
    const worst = (times: number[]) => Math.round(Math.max(...times))
    figure(
      `beside 100 strangers (${answered} answers): people ${worst(people)} ms, monitoring ${worst(monitoring)} ms, another stranger ${worst(stranger)} ms`,
    )
    // Behind the others each of them waits four seconds. That the machine stands still for two may happen to one.
    const usually = (times: number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0
    const all = [...people, ...monitoring, ...stranger]
    assert.ok(all.every(Number.isFinite), `${all}`)
    assert.ok(usually([...people, ...monitoring]) < 2000, `${people} ${monitoring}`)
    assert.ok(usually(stranger) < 3000, String(stranger))
    const fresh = visitTo(url)
    assert.is((await fresh.ask('/login')).status, 200)
  }))

test.run()
