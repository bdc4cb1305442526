import { mock } from 'node:test'
import { request } from 'undici'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import { ConfigError } from '../../src/errors/config_error.ts'
import { cookieNamesOf } from '../../src/http/cookie_names.ts'
import { householdOf } from '../../src/http/household.ts'
import { sameSecret } from '../../src/http/same_secret.ts'
import { Sessions } from '../../src/http/sessions.ts'
import { WrongGuesses } from '../../src/http/wrong_guesses.ts'
import { cookieOf, type Visit, visitTo, withPage, withServer } from '../http/pages.ts'
import { amount } from '../support/at_length.ts'
import { figure } from '../support/figure.ts'

const test = suite('logins and sessions')

const password = 'opens every door'
const token = 'token-of-a-test'

async function logIn(visit: Visit, given = password): Promise<number> {
  const form = { password: given, csrf: await visit.csrfOf('/login') }
  return (await visit.ask('/login', { form })).status
}

/** By how much the fastest comparisons of a secret with these guesses differ: 1 where they take equally long. */
function spreadOf(guesses: readonly string[], secret: string, rounds: number): number {
  const fastest = guesses.map(() => Number.POSITIVE_INFINITY)
  for (let round = 0; round < rounds; round += 1) {
    for (const [place, guess] of guesses.entries()) {
      const began = performance.now()
      for (let times = 0; times < 20; times += 1) sameSecret(guess, secret)
      fastest[place] = Math.min(fastest[place] ?? 0, performance.now() - began)
    }
  }
  return Math.max(...fastest) / Math.min(...fastest)
}

test('what is wrong takes as long as what is nearly right', () => {
  const secret = 'a'.repeat(400)
  const guesses = ['b'.repeat(400), `${'a'.repeat(399)}b`, secret]
  spreadOf(guesses, secret, 20) // until it is compiled
  // What tells a guess apart does so whenever it is measured; that another process has the processor passes.
  const spreads: number[] = []
  while (Math.min(...spreads) >= 1.5 && spreads.length < 10)
    spreads.push(spreadOf(guesses, secret, amount(200, 2000)))
  const least = Math.min(...spreads)
  figure(`the fastest comparisons differ by ${((least - 1) * 100).toFixed(0)} %`)
  assert.ok(least < 1.5, String(spreads))
})

test('a secret is the same however its letters were composed, and no other is', () => {
  assert.ok(sameSecret('caf\u00e9 au lait bitte', 'cafe\u0301 au lait bitte'))
  for (const [given, secret] of [
    ['', 'a secret of ours'],
    ['a secret of ours\0', 'a secret of ours'],
    ['a secret of our', 'a secret of ours'],
    ['A secret of ours', 'a secret of ours'],
    ['\uff41 secret of ours', 'a secret of ours'],
    ['a secret of ours ', 'a secret of ours'],
  ] as const)
    assert.not.ok(sameSecret(given, secret), given)
})

test('a password of blanks is refused, and an empty one opens nothing to others', async () => {
  for (const blank of [' '.repeat(20), '\t\u00a0\u2003'.repeat(8), `${' '.repeat(12)}short`])
    assert.throws(
      () => parseConfig({ PGFIGI_PAGE_PASSWORD: blank }),
      (error: Error) => error instanceof ConfigError,
    )
  await withPage({ password: '' }, async ({ ask }) => {
    assert.is((await ask('/search', { headers: { 'x-forwarded-for': '192.0.2.1' } })).status, 403)
    assert.is((await ask('/search', { headers: { host: 'page.example' } })).status, 403)
  })
})

test('two pages on one host leave each other’s sessions alone, and keep theirs over a change of name', async () => {
  await withPage({ password }, (one) =>
    withPage({ password }, async (other) => {
      const browser = visitTo(one.url)
      const inOther = { ...visitTo(other.url), cookies: browser.cookies }
      const asOther: Visit = { ...visitWith(other.url, browser.cookies), log: inOther.log }
      assert.is(await logIn(browser), 303)
      assert.is(await logIn(asOther), 303)
      for (const visit of [browser, asOther]) assert.is((await visit.ask('/search')).status, 200)
      const csrf = await asOther.csrfOf('/search')
      assert.is((await asOther.ask('/logout', { form: { csrf } })).status, 303)
      assert.is((await asOther.ask('/search')).status, 303)
      assert.is((await browser.ask('/search')).status, 200, 'logged out of one alone')
    }),
  )
  const place = { host: '127.0.0.1', port: 8080 }
  assert.equal(cookieNamesOf(place), cookieNamesOf(place))
  assert.is.not(cookieNamesOf(place).session, cookieNamesOf({ ...place, port: 8081 }).session)
})

/** A browser's visit to another page of the same host: its cookies go along. */
function visitWith(url: string, cookies: Map<string, string>): Visit {
  const visit = visitTo(url)
  return {
    ...visit,
    cookies,
    async ask(path, asked) {
      for (const [name, value] of cookies) visit.cookies.set(name, value)
      const answer = await visit.ask(path, asked)
      for (const name of [...cookies.keys()]) if (!visit.cookies.has(name)) cookies.delete(name)
      for (const [name, value] of visit.cookies) cookies.set(name, value)
      return answer
    },
    async csrfOf(path) {
      const { text } = await this.ask(path)
      return /name="csrf" value="([^"]+)"/.exec(text)?.[1] ?? ''
    },
  }
}

test('a session is new with each login, over at the logout and after a restart, and cannot be made', async () => {
  let kept = new Map<string, string>()
  await withPage({ password, token }, async (visit) => {
    assert.is(await logIn(visit), 303)
    const name = cookieOf(visit, 'session')
    const first = visit.cookies.get(name) ?? ''
    const tries = async (cookie: string) => {
      const { statusCode, body } = await request(`${visit.url}/search`, { headers: { cookie } })
      await body.dump()
      return statusCode
    }
    assert.is(await tries(`${name}=${first}`), 200)
    const decoded = decodeURIComponent(first)
    const [who, id, until, signature] = decoded.split('.')
    const later = `${who}.${id}.${Number(until) + 1000}.${signature}`
    const others = ['csrf', 'browser'].map((kind) => visit.cookies.get(cookieOf(visit, kind as 'csrf')) ?? '')
    for (const forged of [
      '',
      '.',
      '%',
      '%00',
      '%E0%A4%A',
      first.slice(0, -1),
      first.slice(1),
      `${first}x`,
      `"${first}"x`,
      decoded.slice(0, decoded.lastIndexOf('.')),
      later,
      `${who}.${id}.${until}.`,
      `token.${id}.${until}.${signature}`,
      'x'.repeat(8000),
      ...others,
    ])
      assert.is(await tries(`${name}=${forged}`), 303, forged)
    assert.is(await tries(`${name}=; ${name}=${first}`), 303, 'the first of a name counts')
    assert.is(
      await tries(`${Array.from({ length: 200 }, (_, n) => `c${n}=${n}`).join('; ')}; ${name}=${first}`),
      200,
    )

    const csrf = await visit.csrfOf('/search')
    const again = await visit.ask('/login', { form: { password, csrf } })
    assert.is(again.status, 303)
    assert.is.not(visit.cookies.get(name), first, 'no session is gone on with')
    assert.is(await tries(`${name}=${first}`), 303, 'the one before is over')
    kept = new Map(visit.cookies)
  })
  await withPage({ password, token }, async (visit) => {
    for (const [name, value] of kept)
      visit.cookies.set(name.replace(/_\w{8}$/, cookieNamed(await cookieMark(visit))), value)
    assert.is((await visit.ask('/search')).status, 303, 'a restart ends all sessions')
  })
})

async function cookieMark(visit: Visit): Promise<string> {
  const other = visitTo(visit.url)
  await other.ask('/login')
  return cookieOf(other, 'csrf')
}

const cookieNamed = (name: string) => name.slice(-9)

test('thousands of sessions are told apart, and those that ended stay ended', () => {
  const sessions = new Sessions()
  const all = Array.from({ length: 9000 }, () => sessions.begin('password'))
  assert.is(new Set(all).size, all.length)
  for (const [place, text] of all.entries()) {
    const session = sessions.of(text)
    if (session && place % 2 === 0) sessions.end(session)
  }
  assert.is(all.filter((text) => sessions.of(text) !== null).length, all.length / 2)
})

test('guesses from one address close the login to it, and neither to other addresses nor to a browser that is known', () =>
  withServer({ password }, async (app) => {
    const known = await knock(app, '198.51.100.1', password)
    assert.is(known.status, 303)
    const browser = known.cookies.find((cookie) => cookie.startsWith('pgfigi_browser_')) ?? ''
    const guesses = Array.from({ length: 40 }, (_, n) => knock(app, '198.51.100.1', `a guess, number ${n}`))
    const statuses = (await Promise.all(guesses)).map(({ status }) => status)
    assert.is(statuses.filter((status) => status === 403).length, 10, 'also where they come at once')
    assert.is((await knock(app, '198.51.100.1', password)).status, 429)
    assert.is((await knock(app, '198.51.100.1', password, { 'x-forwarded-for': '10.0.0.1' })).status, 429)
    assert.is((await knock(app, '198.51.100.1', password, { cookie: browser })).status, 303)
    assert.is((await knock(app, '198.51.100.2', password)).status, 303)
    for (let guess = 0; guess < 10; guess += 1)
      assert.is((await knock(app, '198.51.100.1', 'not the one', { cookie: browser })).status, 403)
    assert.is(
      (await knock(app, '198.51.100.1', password, { cookie: browser })).status,
      429,
      'it may not guess on',
    )
  }))

test('guesses from many addresses are counted together, those of a network as one', () =>
  withServer({ password }, async (app) => {
    const statuses: number[] = []
    for (let guess = 0; guess < 12; guess += 1)
      statuses.push((await knock(app, `2001:db8:1:2::${guess}`, `a guess, number ${guess}`)).status)
    assert.equal(statuses.slice(-2), [429, 429])
    let tried = 0
    for (let host = 1; host < 120; host += 1)
      if ((await knock(app, `203.0.113.${host}`, 'one guess each')).status === 403) tried += 1
    figure(`${tried + 10} wrong passwords were looked at`)
    assert.is(tried, 90)
  }))

test('a limit of guesses runs from the first, and ends', () => {
  let now = 1000
  const clock = mock.method(performance, 'now', () => now)
  try {
    const guesses = new WrongGuesses(2, 100)
    guesses.count('a')
    assert.is(guesses.restsMs('a'), 0)
    now += 60
    guesses.count('a')
    assert.is(guesses.restsMs('a'), 40)
    now += 41
    assert.is(guesses.restsMs('a'), 0)
  } finally {
    clock.mock.restore()
  }
})

test('an address is its network’s', () => {
  for (const [address, household] of [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:0:12::1', '2001:db8:0:12::/64'],
    ['2001:0db8::12:0:0:1:9', '2001:db8:0:12::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    [undefined, ''],
  ] as const)
    assert.is(householdOf(address), household)
})

type Server = Parameters<Parameters<typeof withServer>[1]>[0]

/** One attempt at the login from an address. */
async function knock(
  app: Server,
  remoteAddress: string,
  given: string,
  headers: Record<string, string> = {},
) {
  const page = await app.inject({
    url: '/login',
    remoteAddress,
    headers: { host: 'page.example', ...headers },
  })
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.body)?.[1] ?? ''
  const cookies = page.cookies.map(({ name, value }) => `${name}=${encodeURIComponent(value)}`)
  const answer = await app.inject({
    method: 'POST',
    url: '/login',
    remoteAddress,
    headers: {
      host: 'page.example',
      'content-type': 'application/x-www-form-urlencoded',
      ...headers,
      cookie: [headers.cookie ?? [], cookies].flat().join('; '),
    },
    payload: new URLSearchParams({ password: given, csrf }).toString(),
  })
  return {
    status: answer.statusCode,
    cookies: answer.cookies.map(({ name, value }) => `${name}=${encodeURIComponent(value)}`),
  }
}

test.run()
