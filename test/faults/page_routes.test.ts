import type { InjectOptions, LightMyRequestResponse as Response } from 'fastify'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { App } from '../../src/http/app.ts'
import { packageVersion } from '../../src/package_version.ts'
import { routesOf, withServer } from '../http/pages.ts'
import { withDatabase } from '../support/database.ts'
import { figure } from '../support/figure.ts'

const test = suite('who may ask for what')

const password = 'opens every door'
const token = 'token-of-a-test'
const apple = { identifier_type: 'CUSIP', identifier_value: '037833100' }

/** What becomes of each kind of visitor: `passes`, or the status and where it leads. */
const visitors = [
  'a stranger',
  'one with a wrong token',
  'one with a forged session',
  'one with the token',
  'one who has logged in',
  'one who has logged in, with the token of a form',
  'one who has logged in, sent by another site',
] as const

type Kind = 'everyone' | 'door' | 'knock' | 'page' | 'program' | 'form' | 'act'

const outcomes: Readonly<Record<Kind, readonly string[]>> = {
  everyone: ['passes', 'passes', 'passes', 'passes', 'passes', 'passes', 'passes'],
  door: ['passes', 'passes', 'passes', 'passes', 'passes', 'passes', '403'],
  knock: ['403', '403', '403', '403', '403', 'passes', '403'],
  page: ['login', 'login', 'login', 'passes', 'passes', 'passes', '403'],
  program: ['401', '401', '401', 'passes', 'passes', 'passes', '403'],
  form: ['login', 'login', 'login', '403', '403', 'passes', '403'],
  act: ['401', '401', '401', 'passes', '403', 'passes', '403'],
}

/** Each route is decided upon here: one that is not fails the test. */
const kinds: Readonly<Record<string, Kind>> = {
  'GET /healthz': 'everyone',
  'GET /readyz': 'everyone',
  'GET /assets/:name': 'door',
  'GET /login': 'door',
  'POST /login': 'knock',
  'POST /logout': 'form',
  'GET /': 'page',
  'GET /search': 'page',
  'GET /changes': 'page',
  'GET /negatives': 'page',
  'GET /requests': 'page',
  'GET /work': 'page',
  'GET /runbooks/:name': 'page',
  'GET /metrics': 'program',
  'GET /api/v1/openapi.json': 'program',
  'GET /api/v1/health': 'program',
  'GET /api/v1/overview': 'program',
  'GET /api/v1/charts': 'program',
  'GET /api/v1/search': 'program',
  'GET /api/v1/changes': 'program',
  'GET /api/v1/negatives': 'program',
  'GET /api/v1/requests': 'program',
  'GET /api/v1/work': 'program',
  'GET /api/v1/actions': 'program',
  'POST /actions/fetch': 'form',
  'POST /actions/retry': 'form',
  'POST /actions/retry-all': 'form',
  'POST /actions/unlock': 'form',
  'POST /api/v1/actions/fetch': 'act',
  'POST /api/v1/actions/retry': 'act',
  'POST /api/v1/actions/retry-all': 'act',
  'POST /api/v1/actions/unlock': 'act',
}

/** A way in, and what a browser has after it. */
interface Session {
  readonly cookie: string
  readonly csrf: string
}

async function logIn(app: App): Promise<Session> {
  const cookies: Record<string, string> = {}
  const ask = async (options: InjectOptions) => {
    const answer = await app.inject({
      ...options,
      headers: { ...options.headers, cookie: cookieOf(cookies) },
    })
    for (const { name, value } of answer.cookies) cookies[name] = encodeURIComponent(value)
    return answer
  }
  const csrfIn = ({ body }: Response) => /name="csrf" value="([^"]+)"/.exec(body)?.[1] ?? ''
  const csrf = csrfIn(await ask({ url: '/login' }))
  const answer = await ask({ method: 'POST', url: '/login', ...form({ password, csrf }) })
  assert.is(answer.statusCode, 303)
  return { csrf: csrfIn(await ask({ url: '/search' })), cookie: cookieOf(cookies) }
}

function cookieOf(cookies: Readonly<Record<string, string>>): string {
  return Object.entries(cookies)
    .map(([name, value]) => `${name}=${value}`)
    .join('; ')
}

function form(fields: Readonly<Record<string, string>>) {
  return {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams(fields).toString(),
  }
}

function headersOf(visitor: (typeof visitors)[number], { cookie, csrf }: Session): Record<string, string> {
  switch (visitor) {
    case 'a stranger':
      return {}
    case 'one with a wrong token':
      return { authorization: `Bearer ${token}x`, cookie }
    case 'one with a forged session':
      return { cookie: cookie.replace(/(pgfigi_session_\w+=password\.)./, '$1*') }
    case 'one with the token':
      return { authorization: `Bearer ${token}` }
    case 'one who has logged in':
      return { cookie }
    case 'one who has logged in, with the token of a form':
      return { cookie, 'x-csrf-token': csrf, 'sec-fetch-site': 'same-origin' }
    case 'one who has logged in, sent by another site':
      return { cookie, 'x-csrf-token': csrf, 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors' }
  }
}

/** What goes along, so that who passes finds something to be done. */
function asked(route: string): InjectOptions {
  const [method, path = ''] = route.split(' ')
  const url = path.replace('/assets/:name', '/assets/page.css').replace(':name', 'laws')
  if (method === 'GET' || method === 'HEAD')
    return { method, url: url.endsWith('search') ? `${url}?q=AAPL` : url }
  return {
    method: 'POST',
    url,
    headers: { 'content-type': 'application/json' },
    payload: { ...apple, password },
  }
}

function outcomeOf(route: string, { statusCode, headers }: Response): string {
  const leadsToLogin = statusCode === 303 && String(headers.location).startsWith('/login')
  if (leadsToLogin && route !== 'POST /logout') return 'login'
  if (leadsToLogin) return headers['set-cookie'] === undefined ? 'login' : 'passes'
  return [401, 403].includes(statusCode) ? String(statusCode) : 'passes'
}

test('each route is decided upon, for each kind of visitor', () =>
  withDatabase(({ url, sql }) =>
    withServer({ url, password, token, allowActions: true }, async (app) => {
      const routes = routesOf(app)
      assert.equal(
        routes,
        [...new Set([...Object.keys(kinds), ...Object.keys(kinds).filter(isRead).map(asHead)])].sort(),
      )
      let count = 0
      let session = await logIn(app)
      const actions = async () => (await sql`select from figi_private.actions`).length
      for (const route of routes) {
        const kind = kinds[route.replace('HEAD ', 'GET ')] as Kind
        for (const [place, visitor] of visitors.entries()) {
          const options = asked(route)
          const acted = kind === 'form' || kind === 'act' ? await actions() : 0
          const answer = await app.inject({
            ...options,
            headers: { host: 'page.example', ...options.headers, ...headersOf(visitor, session) },
          })
          const expected = outcomes[kind][place]
          assert.is(
            outcomeOf(route, answer),
            expected,
            `${route} by ${visitor}: ${answer.statusCode} ${answer.body.slice(0, 300)}`,
          )
          const isTold = expected === 'passes' || expected === 'login' || kind === 'everyone'
          if (!isTold && !route.startsWith('HEAD'))
            assert.not.match(answer.body, /Apple|figi_private|mapping_|node_modules|postgres:/i)
          if (kind === 'form' || kind === 'act') {
            const does = expected === 'passes' && route !== 'POST /logout' ? 1 : 0
            assert.is(await actions(), acted + does, `${route} by ${visitor}`)
          }
          if (route.includes('/log')) session = await logIn(app) // that may have ended it
          requireBound(answer, route)
          count += 1
        }
      }
      figure(`${routes.length} routes, ${count} requests`)
    }),
  ))

test('without --allow-actions nobody does anything', () =>
  withDatabase(({ url, sql }) =>
    withServer({ url, password, token }, async (app) => {
      const session = await logIn(app)
      for (const [route, kind] of Object.entries(kinds)) {
        if (kind !== 'act' && !route.startsWith('POST /actions/')) continue
        for (const visitor of [
          'one with the token',
          'one who has logged in, with the token of a form',
        ] as const) {
          const options = asked(route)
          const headers = { ...options.headers, ...headersOf(visitor, session) }
          const { statusCode, body } = await app.inject({ ...options, headers })
          assert.is(statusCode, 403, `${route} by ${visitor}`)
          if (kind === 'act' || visitor !== 'one with the token') assert.match(body, '--allow-actions')
        }
      }
      assert.is((await sql`select from figi_private.actions`).length, 0)
    }),
  ))

test('without a password only this machine passes, by its own name and no proxy', () =>
  withServer({ allowActions: true }, async (app) => {
    const others: readonly InjectOptions[] = [
      { headers: { host: 'rebound.example:8080' } },
      { headers: { host: 'localhost', 'x-forwarded-for': '127.0.0.1' } },
      { headers: { host: 'localhost', forwarded: 'for=127.0.0.1' } },
      { headers: { host: 'localhost' }, remoteAddress: '192.0.2.7' },
      { headers: { host: 'localhost', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' } },
      { headers: { host: 'localhost', origin: 'https://evil.example' } },
    ]
    for (const [route, kind] of Object.entries(kinds)) {
      for (const other of others) {
        const options = asked(route)
        const { statusCode } = await app.inject({
          ...options,
          ...other,
          headers: { ...options.headers, ...other.headers },
        })
        if (kind === 'everyone') assert.ok([200, 503].includes(statusCode), `${route} ${statusCode}`)
        else assert.is(statusCode, 403, `${route} ${JSON.stringify(other)}`)
      }
      const here = await app.inject({
        ...asked(route),
        headers: { ...asked(route).headers, host: '127.0.0.1:1' },
      })
      const isPost = route.startsWith('POST')
      if (isPost) assert.is(here.statusCode, 403, `${route} wants the token against forgery also here`)
      else assert.is.not(here.statusCode, 403, route)
    }
  }))

test('what no route is for is answered like what is not there, in any method', () =>
  withServer({ password, token }, async (app) => {
    for (const route of Object.keys(kinds)) {
      const url = asked(route).url as string
      for (const method of ['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'POST', 'GET'] as const) {
        if (`${method} ${route.split(' ')[1]}` in kinds) continue
        const override = { 'x-http-method-override': 'POST', 'x-method-override': 'DELETE' }
        const stranger = await app.inject({ method: method as never, url, headers: override })
        assert.ok([303, 401, 403].includes(stranger.statusCode), `${method} ${url} ${stranger.statusCode}`)
        const headers = { ...override, authorization: `Bearer ${token}` }
        const known = await app.inject({ method: method as never, url, headers })
        assert.ok([404, 405].includes(known.statusCode), `${method} ${url} ${known.statusCode}`)
        for (const answer of [stranger, known]) requireBound(answer, `${method} ${url}`)
      }
    }
  }))

test('strangers are told neither the version nor what is inside', () =>
  withServer({ password }, async (app) => {
    const version = packageVersion()
    for (const url of [
      '/login',
      '/assets/none',
      '/none',
      '/search?q=%00',
      '/readyz',
      '/healthz',
      '/metrics',
      '/api/v1/none',
    ]) {
      for (const method of ['GET', 'POST'] as const) {
        const { body, headers } = await app.inject({
          method,
          url,
          headers: { host: 'page.example' },
          ...(method === 'POST' ? { payload: '{' } : {}),
        })
        assert.not.ok(body.includes(version), url)
        assert.not.match(
          `${body}${JSON.stringify(headers)}`,
          /node_modules|\.ts:|fastify|figi_private|\/work\/|127\.0\.0\.1:1/i,
        )
      }
    }
  }))

/** The headers that bind a browser. */
function requireBound({ headers }: Response, what: string): void {
  assert.match(String(headers['content-security-policy']), "default-src 'none'", what)
  assert.match(String(headers['content-security-policy']), "frame-ancestors 'none'", what)
  assert.is(headers['x-frame-options'], 'DENY', what)
  assert.is(headers['x-content-type-options'], 'nosniff', what)
  assert.is(headers['cross-origin-resource-policy'], 'same-origin', what)
  assert.is(headers['access-control-allow-origin'], undefined, what)
  assert.ok(headers['cache-control'], what)
}

const isRead = (route: string) => route.startsWith('GET ')
const asHead = (route: string) => route.replace('GET ', 'HEAD ')

test.run()
