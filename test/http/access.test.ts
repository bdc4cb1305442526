import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import { ConfigError } from '../../src/errors/config_error.ts'
import { isLoopback, namesLoopback } from '../../src/http/loopback.ts'
import { pathWithin } from '../../src/http/origin.ts'
import { startPage } from '../../src/http/running_page.ts'
import { Sessions } from '../../src/http/sessions.ts'
import { silentLogger } from '../../src/log.ts'
import { cookieOf, nowhere, visitTo, withPage } from './pages.ts'

const test = suite('who may see the page')

const password = 'a long password'
const token = 'token-of-a-test'

test('without a password or token it refuses to listen where others could reach it', async () => {
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'db.example.com']) {
    const config = parseConfig({ PGFIGI_PAGE_HOST: host, PGFIGI_PAGE_PORT: '0' })
    const refusal = await startPage(config, nowhere, {
      allowActions: false,
      logger: silentLogger as never,
    }).then(
      () => null,
      (error) => error,
    )
    assert.instance(refusal, ConfigError, host)
    assert.match(refusal.message, 'PGFIGI_PAGE_PASSWORD')
  }
})

test('knows loopback by its addresses and its name alone', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', '::1', '[::1]', '::ffff:127.0.0.1'])
    assert.ok(isLoopback(host), host)
  for (const host of [
    '',
    '0.0.0.0',
    '::',
    '10.0.0.1',
    'localhost.evil.example',
    '127.0.0.1.nip.io',
    '128.0.0.1',
  ])
    assert.not.ok(isLoopback(host), host)
  for (const host of ['localhost:8080', '127.0.0.1', '[::1]:1', 'LOCALHOST'])
    assert.ok(namesLoopback(host), host)
  for (const host of [
    undefined,
    '',
    'evil.example',
    'localhost@evil.example',
    'localhost:80:80',
    '[::1',
    'evil.example:127.0.0.1',
  ])
    assert.not.ok(namesLoopback(host), String(host))
})

test('open, it answers this machine alone: not another name, and no proxy', () =>
  withPage({}, async ({ ask }) => {
    assert.is((await ask('/login')).status, 303)
    for (const headers of [
      { host: 'evil.example' },
      { host: 'rebound.evil.example:8080' },
      { 'x-forwarded-for': '192.0.2.1' },
      { forwarded: 'for=192.0.2.1' },
    ]) {
      for (const path of [
        '/',
        '/search?q=AAPL',
        '/metrics',
        '/api/v1/overview',
        '/assets/page.css',
        '/login',
        '/none',
      ]) {
        const { status, text } = await ask(path, { headers })
        assert.is(status, 403, path)
        assert.match(text, 'PGFIGI_PAGE_PASSWORD')
      }
      assert.is((await ask('/healthz', { headers })).text, 'ok')
      assert.equal((await ask('/readyz', { headers })).json, { status: 'fail', checks: [] })
    }
    for (const host of ['localhost', '127.0.0.1:9', '[::1]:80'])
      assert.is((await ask('/search', { headers: { host } })).status, 200)
    assert.is((await ask('/readyz')).json.checks[0].name, 'database')
  }))

test('with a password strangers get the login, programs a sentence, and probes no details', () =>
  withPage({ password, token }, async ({ ask }) => {
    const front = await ask('/requests?state=gave_up')
    assert.equal([front.status, front.headers.location], [303, '/login?next=%2Frequests%3Fstate%3Dgave_up'])
    for (const path of ['/api/v1/overview', '/api/v1/openapi.json', '/metrics', '/api/v1/none']) {
      const { status, headers, json } = await ask(path)
      assert.is(status, 401, path)
      assert.is(headers['www-authenticate'], 'Bearer')
      assert.match(json.error, 'PGFIGI_PAGE_TOKEN')
    }
    const renewal = await ask('/', { headers: { 'hx-request': 'true' } })
    assert.equal([renewal.status, renewal.headers['hx-redirect']], [401, '/login'])
    assert.is((await ask('/healthz')).text, 'ok')
    assert.is((await ask('/assets/page.css')).status, 200)
    const ready = await ask('/readyz', { headers: { host: 'page.example' } })
    assert.equal([ready.status, ready.json], [503, { status: 'fail', checks: [] }])
  }))

test('a bearer token opens everything to programs, and a wrong one nothing', () =>
  withPage({ token }, async ({ ask, log }) => {
    const authorization = `Bearer ${token}`
    assert.is((await ask('/metrics', { headers: { authorization } })).status, 200)
    assert.is((await ask('/api/v1/openapi.json', { headers: { authorization } })).status, 200)
    const host = 'page.example'
    assert.is((await ask('/readyz', { headers: { authorization, host } })).json.checks.length, 1)
    for (const wrong of [`Bearer ${token}x`, 'Bearer', `Basic ${token}`, token, `Bearer ${token.slice(1)}`])
      assert.is((await ask('/metrics', { headers: { authorization: wrong } })).status, 401)
    assert.not.match(log(), token)
  }))

test('the login takes the password or the token, for a session of this browser alone', () =>
  withPage({ password, token }, async (visit) => {
    const { ask, cookies, csrfOf } = visit
    const csrf = await csrfOf('/login?next=/changes')
    const wrong = await ask('/login', { form: { password: `${password}!`, csrf } })
    assert.is(wrong.status, 403)
    assert.match(wrong.text, 'That is not the password.')
    assert.not.ok(cookies.has(cookieOf(visit, 'session')))
    const right = await ask('/login', { form: { password, csrf, next: '/search' } })
    assert.equal([right.status, right.headers.location], [303, '/search'])
    const cookie = [right.headers['set-cookie']].flat().find((line) => line?.startsWith('pgfigi_session_'))
    assert.match(String(cookie), /Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/)

    const page = await ask('/search')
    assert.is(page.status, 200)
    assert.match(page.text, 'Log out')
    assert.is((await ask('/login')).headers.location, '/')
    assert.is((await ask('/api/v1/openapi.json')).status, 200, 'the session opens the API as well')

    const stolen = new Map(cookies)
    assert.is((await ask('/logout', { form: { csrf: await csrfOf('/search') } })).status, 303)
    assert.not.ok(cookies.has(cookieOf(visit, 'session')))
    const thief = visitTo(visit.url)
    for (const [name, value] of stolen) thief.cookies.set(name, value)
    assert.is((await thief.ask('/search')).status, 303, 'a session that ended is over everywhere')
    const session = [...stolen.keys()].find((name) => name.startsWith('pgfigi_session_')) ?? ''
    thief.cookies.set(session, `${stolen.get(session)}`.replace('password', 'token'))
    assert.is((await thief.ask('/search')).status, 303)

    const other = visitTo(visit.url)
    const byToken = await other.ask('/login', {
      form: { password: token, csrf: await other.csrfOf('/login') },
    })
    assert.is(byToken.status, 303)
    assert.not.match(visit.log(), password)
    assert.not.match(visit.log(), token)
  }))

test('over TLS, by the word of a proxy, the cookies go over TLS alone', () =>
  withPage({ password }, async ({ ask, csrfOf }) => {
    const overTls = await ask('/login', { headers: { 'x-forwarded-proto': 'https' } })
    assert.match(String(overTls.headers['set-cookie']), /^pgfigi_csrf_\w{8}=.*; Secure;/)
    const form = { password, csrf: await csrfOf('/login') }
    const { headers } = await ask('/login', { form, headers: { 'x-forwarded-proto': 'https' } })
    assert.match(String([headers['set-cookie']].flat().at(-1)), '; Secure;')
  }))

test('passwords cannot be tried without end', () =>
  withPage({ password }, async ({ ask, csrfOf }) => {
    const csrf = await csrfOf('/login')
    const statuses: number[] = []
    for (let attempt = 0; attempt < 12; attempt += 1)
      statuses.push((await ask('/login', { form: { password: `wrong ${attempt}`, csrf } })).status)
    assert.equal(statuses, [...Array(10).fill(403), 429, 429])
    const right = await ask('/login', { form: { password, csrf } })
    assert.is(right.status, 429, 'not even the right one')
    assert.match(right.text, /try again in \d minutes/)
    assert.ok(Number(right.headers['retry-after']) > 0)
  }))

test('sessions expire', () => {
  let now = 1_000_000
  const sessions = new Sessions(() => now)
  const cookie = sessions.begin('password')
  assert.is(sessions.of(cookie)?.who, 'password')
  now += 12 * 3600 * 1000 - 1
  assert.ok(sessions.of(cookie))
  now += 1
  assert.is(sessions.of(cookie), null)
  for (const nonsense of ['', 'password', 'loopback.aaaaaaaaaaaaaaaaaaaaaaaa.99999999999999'])
    assert.is(sessions.of(nonsense), null)
})

test('a form leads back to the page itself alone', () => {
  for (const path of ['/', '/search?q=AAPL%20US', '/requests?state=gave_up'])
    assert.is(pathWithin(path), path)
  for (const path of [
    undefined,
    '',
    'search',
    '//evil.example',
    '/\\evil.example',
    'https://evil.example',
    '/a b',
    '/\n/evil.example',
    `/${'a'.repeat(3000)}`,
    '/.//evil.example',
    '/..//evil.example',
    '/a/../..//evil.example',
    '/%2e//evil.example',
    '/./\\evil.example',
    '/.\\/evil.example',
    '/..\\\\evil.example',
  ])
    assert.is(pathWithin(path), '/')
})

test.run()
