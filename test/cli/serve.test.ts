import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { getPriority } from 'node:os'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { until } from '../support/until.ts'
import { run, serverOf, start, withHome, withInstallation } from './pgfigi.ts'

test('serve prints the address, shows the page, steps back behind others, and stops at SIGTERM', () =>
  withInstallation(async ({ env }) => {
    const secrets = { PGFIGI_PAGE_PASSWORD: 'a long password', PGFIGI_PAGE_TOKEN: 'token-of-a-test' }
    const service = start(['serve', '--port', '0'], { env: { ...env, ...secrets } })
    const url = await service.firstLine(/^Page {2}(http:\/\/127\.0\.0\.1:\d+)$/)
    if (process.platform === 'linux') assert.is(getPriority(service.child.pid), 10)
    // On a busy machine, behind all others, an answer of the database may come too late for the first.
    await until('its metrics say that the database is up', async () => {
      const metrics = await fetch(`${url}/metrics`, { headers: { authorization: 'Bearer token-of-a-test' } })
      return (await metrics.text()).includes('pgfigi_database_up 1')
    })
    const login = await fetch(url)
    assert.match(await login.text(), '<title>Log in')

    // A client that keeps its connection, which the page would else leave open for 20 s.
    const keeping = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {})
    keeping.write(`GET / HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`)
    await once(keeping, 'data')
    const began = performance.now()
    service.child.kill('SIGTERM')
    const { code, stdout, stderr } = await service.ended
    const tookMs = performance.now() - began
    keeping.destroy()
    assert.is(code, 0)
    assert.ok(tookMs < 15_000, `${tookMs} ms`)
    assert.is(stdout, `Page  ${url}\n`)
    for (const secret of [
      ...Object.values(secrets),
      env.OPENFIGI_API_KEY ?? '',
      new URL(env.DATABASE_URL ?? '').password,
    ])
      assert.not.match(stderr, secret)
  }))

test('an empty host counts as not given, and what is no host is refused', () =>
  withInstallation(async ({ env }) => {
    const refused = await run(['serve', '--host', 'no host', '--port', '0'], { env })
    assert.is(refused.code, 2)
    assert.match(refused.stderr, 'address or a host name')
    const service = start(['serve', '--host', '', '--port', '0'], { env })
    await service.firstLine(/^Page {2}(http:\/\/127\.0\.0\.1:\d+)$/)
    service.child.kill('SIGTERM')
    assert.is((await service.ended).code, 0)
  }))

test('the embedded PostgreSQL does not step back with the page', () =>
  withHome(async (home) => {
    const service = start(['serve', '--port', '0'], { env: { PGFIGI_HOME: home } })
    await service.firstLine(/^Page {2}(http:.*)$/)
    const server = await serverOf(home)
    assert.ok(server)
    assert.is(getPriority(server), getPriority(process.pid))
    service.child.kill('SIGTERM')
    assert.is((await service.ended).code, 0)
  }))

test('a port in use is told in a sentence, and so are a page that nothing guards and a database that is away', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const port = String((taken.address() as AddressInfo).port)
  const DATABASE_URL = 'postgres://nobody@127.0.0.1:1/none'
  try {
    const [busy, unguarded, short] = await Promise.all([
      run(['serve'], { env: { DATABASE_URL, PGFIGI_PAGE_PORT: port } }),
      run(['serve', '--host', '0.0.0.0'], { env: { DATABASE_URL } }),
      run(['serve'], { env: { DATABASE_URL, PGFIGI_PAGE_PASSWORD: 'short', PGFIGI_PAGE_TOKEN: 'short' } }),
    ])
    assert.is(busy.code, 1)
    assert.match(
      busy.stderr,
      new RegExp(`error: The page cannot listen: port ${port} on 127.0.0.1 is in use.*PGFIGI_PAGE_PORT`),
    )
    assert.is(unguarded.code, 2)
    assert.match(unguarded.stderr, /PGFIGI_PAGE_PASSWORD or PGFIGI_PAGE_TOKEN must be set/)
    assert.is(short.code, 2)
    assert.match(short.stderr, /PGFIGI_PAGE_PASSWORD must have.*\n.*PGFIGI_PAGE_TOKEN must have/)
    for (const { stdout, stderr } of [busy, unguarded, short]) {
      assert.is(stdout, '')
      assert.not.match(stderr, /\n\s+at /)
    }
  } finally {
    taken.close()
  }
})

test.run()
