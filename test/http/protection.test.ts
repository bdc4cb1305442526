import { connect } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { cookieOf, visitTo, withPage } from './pages.ts'

const test = suite('what keeps the page from being misused')

const password = 'a long password'
const policy =
  "default-src 'none';script-src 'self';style-src 'self';img-src 'self' data:;connect-src 'self';form-action 'self';frame-ancestors 'none';base-uri 'none'"

test('every answer has the headers that bind a browser, and none is kept but files', () =>
  withPage({}, async ({ ask }) => {
    for (const path of [
      '/search',
      '/none',
      '/?range=never',
      '/healthz',
      '/api/v1/none',
      '/assets/page.css',
    ]) {
      const { headers } = await ask(path)
      assert.is(headers['content-security-policy'], policy, path)
      assert.is(headers['x-content-type-options'], 'nosniff')
      assert.is(headers['x-frame-options'], 'DENY')
      assert.is(headers['referrer-policy'], 'no-referrer')
      assert.is(headers['cache-control'], path.startsWith('/assets') ? 'no-cache' : 'no-store')
      assert.is(headers.server, undefined)
      assert.is(headers['access-control-allow-origin'], undefined)
    }
  }))

test('files are sent once: by their tag, and for good under an address that holds it', () =>
  withPage({}, async ({ ask }) => {
    const { headers, text } = await ask('/search')
    assert.is(headers['content-type'], 'text/html; charset=utf-8')
    const address = /href="(\/assets\/page\.css\?[^"]+)"/.exec(text)?.[1]?.replace('&#61;', '=') ?? ''
    const named = await ask(address)
    assert.match(String(named.headers['cache-control']), 'immutable')
    assert.match(String(named.headers['content-type']), 'text/css')
    const again = await ask(address, { headers: { 'if-none-match': String(named.headers.etag) } })
    assert.equal([again.status, again.text], [304, ''])
    assert.is((await ask('/assets/none.css')).status, 404)
    assert.is((await ask('/assets/..%2Fserver.ts')).status, 404)
  }))

test('a form without its token, or with that of another session, does nothing', () =>
  withPage({ password, allowActions: true }, async (visit) => {
    const identifier = { identifier_type: 'CUSIP', identifier_value: '037833100' }
    for (const path of ['/login', '/logout', '/actions/fetch', '/actions/retry-all']) {
      const stranger = await visitTo(visit.url).ask(path, { form: { password, ...identifier } })
      assert.is(stranger.status, path === '/login' ? 403 : 303, path)
    }
    const logIn = async () => {
      const { ask, csrfOf, cookies } = visitTo(visit.url)
      const form = { password, csrf: await csrfOf('/login') }
      assert.is((await ask('/login', { form })).status, 303)
      return { ask, csrfOf, cookies }
    }
    const mine = await logIn()
    const hers = await logIn()
    const csrf = await hers.csrfOf('/search')
    mine.cookies.set(cookieOf(mine, 'csrf'), hers.cookies.get(cookieOf(hers, 'csrf')) ?? '')
    for (const form of [
      { ...identifier },
      { ...identifier, csrf: '' },
      { ...identifier, csrf: 'guess' },
      { ...identifier, csrf },
    ]) {
      const { status, text } = await mine.ask('/actions/fetch', { form })
      assert.is(status, 403)
      assert.match(text, 'load the page again')
    }
    const byApi = await mine.ask('/api/v1/actions/fetch', { json: identifier })
    assert.is(byApi.status, 403)
    assert.match(byApi.json.error, 'load the page again')
    const own = await mine.ask('/actions/fetch', {
      form: { ...identifier, csrf: await mine.csrfOf('/search') },
    })
    assert.is(own.status, 503, 'its own gets as far as the database, which is not there')
  }))

test('what another site makes a browser send is refused, by any of its marks', () =>
  withPage({ password }, async ({ url, ask, csrfOf }) => {
    const csrf = await csrfOf('/login')
    const send = async (headers: Record<string, string>) =>
      (await ask('/login', { form: { password: 'wrong', csrf }, headers })).text
    const foreign = 'Another site sent this'
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: url.replace('127.0.0.1', 'localhost') },
      { origin: url.replace(/\d+$/, '1') },
      { 'sec-fetch-site': 'cross-site', origin: 'null' },
      { 'sec-fetch-site': 'same-site' },
    ])
      assert.match(await send(headers as never), foreign, JSON.stringify(headers))
    for (const headers of [{ origin: url }, { 'sec-fetch-site': 'same-origin', origin: 'null' }, {}])
      assert.match(await send(headers as never), 'That is not the password.')
  }))

test('what is too long or of no known form is refused in a sentence', () =>
  withPage({ token: 'token-of-a-test', allowActions: true }, async ({ ask }) => {
    const headers = { authorization: 'Bearer token-of-a-test' }
    const fetch = '/api/v1/actions/fetch'
    const answers = {
      413: await ask(fetch, { headers, json: { identifier_type: 'x'.repeat(70_000) } }),
      414: await ask(`/search?q=${'9'.repeat(3000)}`, { headers }),
      415: await ask(fetch, { headers: { ...headers, 'content-type': 'text/plain' }, body: 'CUSIP' }),
    }
    for (const [status, answer] of Object.entries(answers)) assert.is(answer.status, Number(status))
    const wrong = [
      await ask(fetch, { headers: { ...headers, 'content-type': 'application/json' }, body: '{' }),
      await ask(fetch, { headers, json: { identifier_type: 'CUSIP' } }),
      await ask(fetch, { headers, json: { identifier_type: 'CUSIP', identifier_value: '037833109' } }),
      await ask('/api/v1/search?q=a&q=b', { headers }),
      await ask('/api/v1/charts?range=1y', { headers }),
    ]
    for (const { status, json } of wrong) {
      assert.is(status, 400)
      assert.match(json.error, /^.{8,}\.$/)
    }
  }))

test('the log has a line a request, by its id, and neither what was searched for nor cookies', () =>
  withPage({ password }, async (visit) => {
    const { ask, csrfOf } = visit
    await ask('/login', { form: { password, csrf: await csrfOf('/login') } })
    const { headers } = await ask('/search?q=%3Fcanary', { headers: { 'x-request-id': 'abc-1' } })
    assert.is(headers['x-request-id'], 'abc-1')
    assert.is.not(
      (await ask('/search', { headers: { 'x-request-id': 'a b\tc' } })).headers['x-request-id'],
      'a b\tc',
    )
    const lines = visit
      .log()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const mine = lines.filter(({ request }) => request === 'abc-1')
    assert.is(mine.length, 1)
    assert.equal(
      [mine[0].method, mine[0].path, mine[0].status, mine[0].who],
      ['GET', '/search', 400, 'password'],
    )
    for (const secret of ['canary', password, visit.cookies.get(cookieOf(visit, 'session')) ?? 'none'])
      assert.not.match(visit.log(), secret)
  }))

test('what is no request is logged without what it holds', () =>
  withPage({ logLevel: 'trace' }, async ({ url, log }) => {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    socket.end('GET / HTTP/1.1\r\nAuthorization: Bearer token-of-a-test\r\nno header\r\n\r\n')
    let answer = ''
    for await (const piece of socket.setEncoding('utf8')) answer += piece
    assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/)
    assert.equal(JSON.parse(answer.split('\r\n\r\n')[1] ?? ''), { error: 'Bad Request.' })
    assert.match(log(), '"reason":"HPE_INVALID_HEADER_TOKEN"')
    for (const held of ['token-of-a-test', 'rawPacket', Buffer.from('Bearer').join()])
      assert.not.match(log(), held)
  }))

test.run()
