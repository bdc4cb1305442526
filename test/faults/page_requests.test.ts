import { setTimeout as sleep } from 'node:timers/promises'
import type { InjectOptions } from 'fastify'
import { pino } from 'pino'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import { Access } from '../../src/http/access.ts'
import type { App } from '../../src/http/app.ts'
import type { PageData } from '../../src/http/page_data.ts'
import { Pages } from '../../src/http/pages.ts'
import { createServer } from '../../src/http/server.ts'
import { nowhere, routesOf, withPage, withServer } from '../http/pages.ts'
import { amount } from '../support/at_length.ts'
import { withDatabase } from '../support/database.ts'
import fc from '../support/fast_check.ts'
import { figure } from '../support/figure.ts'
import * as example from '../support/page_examples.ts'
import { rawClient } from '../support/raw_client.ts'

const test = suite('requests of any shape')

const token = 'token-of-a-test'

/** Whatever a path, a query, a field or a header may be made of. */
const odd = fc.oneof(
  { weight: 3, arbitrary: fc.string({ maxLength: 40, unit: 'binary' }) },
  { weight: 2, arbitrary: fc.string({ maxLength: 40 }) },
  fc.constantFrom(
    '',
    '037833100',
    'US0378331005',
    'AAPL',
    '__proto__',
    'constructor',
    'toString',
    '../../package.json',
    '..%2f..%2fetc%2fpasswd',
    '%',
    '%00',
    '\0',
    '%c0%ae%c0%ae/',
    '\r\nSet-Cookie: a=b',
    '//evil.example',
    '/\\evil.example',
    'javascript:alert(1)',
    "' or 1=1 --",
    '{{7*7}}',
    '\ud800',
    '\u202e\u0000',
    '1e309',
    '-1',
    'null',
    '[]',
    'true',
  ),
  fc.integer({ min: 1, max: 4000 }).map((length) => 'x'.repeat(length)),
)
const fields = fc.constantFrom('q', 'range', 'state', 'whole', 'next', 'back', 'csrf', 'v', 'password')
const name = fc.oneof(
  { weight: 3, arbitrary: fields },
  fc.constantFrom(
    'identifier_type',
    'identifier_value',
    '__proto__',
    'constructor[prototype][a]',
    'q[]',
    'q[a]',
    'a.b',
  ),
  odd,
)
const pairs = fc.array(fc.tuple(name, odd), { maxLength: 6 })
const encoded = pairs.map((given) =>
  given
    .map(
      ([key, value]) =>
        `${encodeURIComponent(key.toWellFormed())}=${encodeURIComponent(value.toWellFormed())}`,
    )
    .join('&'),
)
const query = fc.oneof({ weight: 3, arbitrary: encoded }, odd.map(asAscii), fc.constant('a&'.repeat(500)))
const bodies = fc.oneof(
  fc.constant(undefined),
  encoded,
  fc.json(),
  fc
    .record({ identifier_type: odd, identifier_value: odd, back: odd, csrf: odd })
    .map((body) => JSON.stringify(body)),
  fc.constant('{"identifier_type":"CUSIP","identifier_value":"037833100"}'),
  fc.constant('{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"a":1}}}'),
  fc.constant(`${'['.repeat(20_000)}`),
  fc.constant(`{"a":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}`),
  fc.constant('a=b&'.repeat(16_000)),
  odd,
)
const types = fc.constantFrom(
  'application/json',
  'application/x-www-form-urlencoded',
  'application/json; charset=utf-16',
  'APPLICATION/JSON',
  'text/plain',
  'multipart/form-data; boundary=x',
  'application/json,text/html',
  ';',
  '/',
  'application/__proto__',
)
const headers = fc.dictionary(
  fc.constantFrom(
    'cookie',
    'origin',
    'host',
    'accept',
    'referer',
    'if-none-match',
    'x-request-id',
    'x-csrf-token',
    'x-forwarded-for',
    'x-forwarded-proto',
    'x-http-method-override',
    'range',
    'hx-request',
    'sec-fetch-site',
    'sec-fetch-mode',
    'accept-encoding',
    'te',
    'expect',
  ),
  fc.oneof(
    odd.map(asHeader),
    fc.constantFrom(
      '__proto__=a; constructor=b',
      'a=%E0%A4%A; b="',
      '=; ;=;',
      'null',
      'http://',
      'bytes=0-1',
      'true',
    ),
  ),
  { maxKeys: 4 },
)

function asHeader(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?').trim()
}

function asAscii(text: string): string {
  return text.replaceAll(/[^\x21-\x7e]/g, '~').replaceAll('#', '')
}

/** What inject does not take for an address is tried by the connections below. */
function asInjected(url: string): string {
  return URL.canParse(url, 'http://localhost') && URL.canParse(`http://localhost${url}`) ? url : '/odd'
}

/** One request to one of the routes, or to a path that is none, by somebody who is let in or not. */
function anyRequest(routes: readonly string[]): fc.Arbitrary<InjectOptions> {
  const path = fc
    .tuple(fc.constantFrom(...routes), odd)
    .map(
      ([route, value]) =>
        route.split(' ')[1]?.replace(/:\w+/, asAscii(value).replaceAll('?', '') || 'x') ?? '/',
    )
  return fc
    .record({
      path: fc.oneof(
        { weight: 5, arbitrary: path },
        odd.map((text) => `/${asAscii(text)}`),
      ),
      method: fc.constantFrom('GET', 'GET', 'POST', 'POST', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'),
      query,
      body: bodies,
      type: types,
      given: headers,
      isKnown: fc.boolean(),
    })
    .map(({ path, method, query, body, type, given, isKnown }) => ({
      method: method as 'GET',
      url: asInjected(query === '' ? path : `${path}?${query}`),
      headers: {
        host: 'page.example',
        ...(isKnown ? { authorization: `Bearer ${token}` } : {}),
        ...(body === undefined ? {} : { 'content-type': type }),
        ...given,
      },
      ...(body === undefined || method === 'GET' || method === 'HEAD' ? {} : { payload: body }),
    }))
}

/** What is expected of every answer. */
async function requireSound(app: App, options: InjectOptions, isAway: boolean): Promise<number> {
  const isProbe = String(options.url).startsWith('/readyz')
  let answer = await app.inject(options)
  if (answer.statusCode === 503 && !isAway && !isProbe) {
    // Nothing in a request may lead to that, but a machine that stands still may: then the next answer is another.
    await sleep(1100) // failures are shown to others for a second
    answer = await app.inject(options)
  }
  const { statusCode, headers, body } = answer
  const what = `${statusCode} ${body.slice(0, 300)}`
  assert.ok([200, 303, 304, 400, 401, 403, 404, 413, 414, 415, 429, 503].includes(statusCode), what)
  if (!isAway) assert.ok(statusCode !== 503 || isProbe, what)
  assert.match(String(headers['content-security-policy']), "frame-ancestors 'none'")
  assert.is(headers['x-frame-options'], 'DENY')
  assert.is(headers['x-content-type-options'], 'nosniff')
  assert.is(headers.a, undefined)
  const { location } = headers
  if (location !== undefined) assert.match(String(location), /^\/(?![/\\])[\x21-\x7e]*$/)
  for (const set of [headers['set-cookie'] ?? []].flat()) assert.match(set, /^pgfigi_\w+=[^;]*; /)
  assert.not.match(body, /node_modules|\.ts:\d|at async |figi_private\.|syntax error at/)
  assert.ok(body.length < 1_000_000)
  return statusCode
}

/** What a database would have, at once: so that many requests can be tried. */
const examples = {
  health: async () => example.wellHealth,
  overview: async () => example.overview,
  charts: async () => [...example.charts],
  search: async () => ({ found: { kind: 'identifier', identifier: example.meta }, message: null }),
  changes: async () => ({ changes: [...example.changes] }),
  negatives: async () => ({ negatives: [...example.negatives] }),
  requests: async () => ({ requests: [...example.waiting] }),
  work: async () => example.work,
  actions: async () => ({ actions: [...example.actions] }),
  metrics: async () => ({ type: 'text/plain; charset=utf-8', text: '' }),
  fetch: async () => 'It is fetched.',
  retry: async () => 'It is tried again.',
  retryAll: async () => 'All are tried again.',
  unlock: async () => 'They are free.',
} as PageData

async function withExamples(work: (app: App, log: () => string) => Promise<void>): Promise<void> {
  const lines: string[] = []
  const access = new Access(parseConfig({ PGFIGI_PAGE_PORT: '0', PGFIGI_PAGE_TOKEN: token }).page)
  const made = { allowActions: true, version: '0.0.0' }
  const app = await createServer(
    { ...made, access, data: examples, pages: new Pages({ ...made, access }) },
    pino({ level: 'info' }, { write: (line) => lines.push(line) }),
    { perSecond: 100_000, mostWaiting: 100, longestWaitMs: 5000 },
  )
  await app.ready()
  await work(app, () => lines.join(''))
  await app.close()
}

type Tried = (app: App, log: () => string) => Promise<void>
const served: Readonly<Record<string, readonly [number, boolean, (work: Tried) => Promise<void>]>> = {
  'where answers are at hand': [amount(1000, 20_000), false, withExamples],
  'with a database': [
    amount(40, 1500),
    false,
    (work) => withDatabase(({ url }) => withServer({ url, token, allowActions: true }, work)),
  ],
  'while there is none': [
    amount(30, 400),
    true,
    (work) => withServer({ url: nowhere, token, allowActions: true }, work),
  ],
}

for (const [name, [numRuns, isAway, serve]] of Object.entries(served)) {
  test(`any request is answered, and none by a 500, ${name}`, () =>
    serve(async (app, log) => {
      const statuses = new Map<number, number>()
      const before = process.memoryUsage().heapUsed
      await fc.assert(
        fc.asyncProperty(anyRequest(routesOf(app)), async (options) => {
          const status = await requireSound(app, options, isAway)
          statuses.set(status, (statuses.get(status) ?? 0) + 1)
        }),
        { numRuns },
      )
      assert.is(({} as Record<string, unknown>).isAdmin, undefined)
      assert.not.match(log(), '"level":50')
      const grown = Math.max(0, process.memoryUsage().heapUsed - before) / 1e6
      figure(`${numRuns} requests ${name}, none answered by 500, ${Math.round(grown)} MB more`)
      if (numRuns >= 1000)
        for (const status of [200, 303, 400, 401, 403, 404])
          assert.ok(statuses.has(status), `${status} never came`)
    }))
}

/** What no client sends, and what is answered: a status, or null where the connection may just end. */
const malformed: readonly (readonly [string, readonly number[]])[] = [
  ['\r\n\r\n\r\n', []],
  ['\0\0\0\0', [400]],
  ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', [400]],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400]],
  ['GET\r\n\r\n', [400]],
  ['GET /\r\n\r\n', [400]],
  ['GET / HTTP/1.1\r\n\r\n', [400, 303]],
  ['GET / HTTP/9.9\r\nHost: a\r\n\r\n', [400]],
  ['GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', [303, 400]],
  ['GET  / HTTP/1.1\r\nHost: a\r\n\r\n', [400, 303]],
  ['GET / HTTP/1.1\nHost: a\n\n', [400, 303]],
  ['GET / HTTP/1.1\r\nHost : a\r\n\r\n', [400]],
  ['GET / HTTP/1.1\r\n Host: a\r\n\r\n', [400]],
  ['GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n', [400, 303]],
  ['GET / HTTP/1.1\r\nHost: a\r\nX\0Y: b\r\n\r\n', [400]],
  ['GET / HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n', [400]],
  ['GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n', [400, 303, 401]],
  ['GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n', [400, 303]],
  ['GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n', [303, 400, 404]],
  ['GET /\\?a HTTP/1.1\r\nHost: a\r\n\r\n', [303, 400]],
  ['GET ///?a HTTP/1.1\r\nHost: a\r\n\r\n', [303, 400]],
  ['GET //evil.example/ HTTP/1.1\r\nHost: a\r\n\r\n', [303]],
  ['OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', [303, 404]],
  ['CONNECT evil.example:443 HTTP/1.1\r\nHost: a\r\n\r\n', []],
  ['TRACE / HTTP/1.1\r\nHost: a\r\nX-Secret: s\r\n\r\n', [303, 404]],
  ['BREW / HTTP/1.1\r\nHost: a\r\n\r\n', [400]],
  ['GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n', [303]],
  ['GET / HTTP/1.1\r\nHost: a\r\nExpect: the-unexpected\r\n\r\n', [303]],
  ['POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef', [400]],
  ['POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nabcde', [400]],
  ['POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n', [400]],
  ['POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nabcde', [400]],
  ['POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nabcde', [400]],
  ['POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n', [400]],
  [
    'POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\nContent-Type: application/json\r\n\r\n',
    [403, 413],
  ],
  [
    'POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    [400],
  ],
  [
    'POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n',
    [400],
  ],
  ['POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n', [400]],
  ['POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n', [400]],
  ['POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n', [400]],
  ['POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n', [400]],
  ['POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\n\r\n', [400]],
  ['POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n', [400]],
  [
    `POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(20_000)}\r\na\r\n0\r\n\r\n`,
    [400, 403, 413],
  ],
  [`GET /${'a'.repeat(15_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, [414]],
  [`GET /${'a'.repeat(50_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, [431]],
  [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(50_000)}\r\n\r\n`, [431]],
  [`GET / HTTP/1.1\r\nHost: a\r\nCookie: ${'a=b; '.repeat(3000)}\r\n\r\n`, [303]],
  [`GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(2500)}\r\n`, [303, 431]],
  [`GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(9000)}\r\n`, [431]],
]

test('what is no request is refused by itself, and what follows it is never taken for another', () =>
  withPage({ token }, async ({ url, ask }) => {
    const hidden = 'GET /healthz?smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
    await Promise.all(
      malformed.map(async ([text, statuses]) => {
        const client = await rawClient(url)
        client.socket.write(text, 'latin1')
        const isRefused = statuses.length > 0 && statuses.every((status) => [400, 413, 431].includes(status))
        if (isRefused) client.socket.write(hidden, 'latin1')
        const isAnswered = () => client.received() !== '' || client.isClosed
        // Where an answer may be missing, five seconds without one are enough.
        const patienceMs = statuses.length > 0 ? 30_000 : 5000
        for (let waited = 0; waited < patienceMs && !isAnswered(); waited += 50) await client.ended(50)
        // One that is kept open is let go after ten seconds, if not later.
        if (isRefused)
          assert.ok(await client.ended(9000), `it stays open: ${JSON.stringify(text.slice(0, 80))}`)
        client.socket.destroy()
        const answers = [...client.received().matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) =>
          Number(status),
        )
        const what = `${JSON.stringify(text.slice(0, 120))}: ${answers}`
        assert.ok(answers.length <= 1, what)
        if (statuses.length > 0) assert.ok(answers.length === 1 && statuses.includes(answers[0] ?? 0), what)
        if (answers.length === 1) assert.match(client.received(), /x-content-type-options: nosniff/i, what)
        if (answers.length === 1) assert.match(client.received(), /frame-ancestors 'none'/i, what)
        assert.not.match(client.received(), /\r\n\r\nok/)
      }),
    )
    assert.is((await ask('/healthz')).text, 'ok')
  }))

test('any bytes leave the server as it was', () =>
  withPage({ token, logLevel: 'trace' }, async ({ url, ask }) => {
    const pieces = fc.oneof(
      fc.constantFrom(...malformed.map(([text]) => text.slice(0, 400))),
      fc.constantFrom(
        'GET / HTTP/1.1\r\n',
        'Host: a\r\n',
        '\r\n',
        'Content-Length: 3\r\n',
        'abc',
        '0\r\n\r\n',
      ),
      fc.constantFrom('Transfer-Encoding: chunked\r\n', 'POST /login HTTP/1.1\r\n', 'Connection: close\r\n'),
      fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    )
    let count = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(pieces, { maxLength: 6 }), { minLength: 10, maxLength: 10 }),
        async (all) => {
          await Promise.all(
            all.map(async (given) => {
              const client = await rawClient(url)
              for (const piece of given) client.socket.write(piece, 'latin1')
              client.socket.end()
              await client.ended(2000)
              client.socket.destroy()
              assert.not.match(client.received(), /HTTP\/1\.1 5\d\d/)
              assert.not.match(client.received(), /node_modules|at async/)
              count += 1
            }),
          )
        },
      ),
      { numRuns: amount(6, 200) },
    )
    figure(`${count} connections of odd bytes`)
    assert.is((await ask('/healthz')).text, 'ok')
  }))

test.run()
