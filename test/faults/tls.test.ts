import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { forkProgram } from '../support/child.ts'
import { figure } from '../support/figure.ts'
import { listing } from '../support/listings.ts'
import type { RoundsAnswer } from '../support/rounds_process.ts'
import { startScriptedServer } from '../support/scripted_server.ts'

const test = suite('the way to OpenFIGI')
const run = promisify(execFile)

/** Of one authority, made for this run: the right one, one of yesterday, one of another host, and one that signed itself. */
async function makeCertificates(folder: string): Promise<void> {
  const openssl = (...args: string[]) => run('openssl', args, { cwd: folder })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-subj',
    '/CN=authority',
    '-days',
    '2',
  )
  const signed = async (name: string, host: string, dates: string[]) => {
    await openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${host}`)
    await writeFile(join(folder, `${name}.ext`), `subjectAltName=DNS:${host}`)
    await openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-out',
      `${name}.pem`,
      '-extfile',
      `${name}.ext`,
      ...dates,
    )
  }
  await signed('right', 'localhost', ['-days', '1'])
  await signed('expired', 'localhost', ['-days', '-1'])
  await signed('other host', 'api.openfigi.com', ['-days', '1'])
  await openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'self-signed.key',
    '-out',
    'self-signed.pem',
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost',
    '-days',
    '1',
  )
}

/** What a process with this environment gets from that address. */
async function ask(url: string, environment: Record<string, string>): Promise<RoundsAnswer> {
  await using child = await forkProgram('rounds_process.ts', {}, environment)
  return await child.ask<RoundsAnswer>({ url, atOnce: 1, jobs: 1 })
}

async function withTlsServer(
  folder: string,
  name: string,
  use: (url: string, seen: string[]) => Promise<void>,
) {
  const seen: string[] = []
  const [key, cert] = await Promise.all(['key', 'pem'].map((end) => readFile(join(folder, `${name}.${end}`))))
  const server = createServer({ key, cert }, (request, response) => {
    seen.push(JSON.stringify(request.headers))
    response.end(JSON.stringify([{ data: [listing()] }]))
  })
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await use(`https://localhost:${(server.address() as AddressInfo).port}`, seen)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

test('needs a certificate that is right, whatever the environment says, and tells the key to nobody else', async () => {
  if (
    await run('openssl', ['version']).then(
      () => false,
      () => true,
    )
  ) {
    console.log('SKIPPED: certificates (openssl is not installed)')
    return
  }
  const folder = await mkdtemp(join(tmpdir(), 'pgfigi-tls-'))
  try {
    await makeCertificates(folder)
    const environment = { NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'), NODE_TLS_REJECT_UNAUTHORIZED: '0' }
    const said: string[] = []
    for (const [name, why] of [
      ['expired', /expired/],
      ['other host', /altnames|Host/],
      ['self-signed', /self-signed/],
    ] as const) {
      await withTlsServer(folder, name, async (url, seen) => {
        const { came, messages } = await ask(url, environment)
        assert.equal(came, { OpenFigiTransportError: 1 }, name)
        assert.match(messages[0] ?? '', why)
        assert.equal(seen, [])
        said.push(name)
      })
    }
    await withTlsServer(folder, 'right', async (url, seen) => {
      assert.equal((await ask(url, environment)).came, { listing: 1 })
      assert.is(seen.length, 1)
    })
    figure(`${said.length} wrong certificates: no byte of a request sent`)
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('leads past the proxies of the environment', async () => {
  await using proxy = await startScriptedServer({ status: 502, body: '' })
  await using server = await startScriptedServer({ body: [{ data: [listing()] }] })
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy']
  const environment = Object.fromEntries(names.map((name) => [name, proxy.url]))
  assert.equal((await ask(server.url, { ...environment, NODE_USE_ENV_PROXY: '1' })).came, { listing: 1 })
  assert.equal([proxy.requests.length, server.requests.length], [0, 1])
})

test('that leads nowhere is an outage: no such name, no such server', async () => {
  for (const [url, why] of [
    // Where no server of names answers, that takes longer than a connection may.
    ['https://openfigi.invalid', /ENOTFOUND|EAI_AGAIN|Connect Timeout/],
    ['https://127.0.0.1:9', /ECONNREFUSED/],
  ] as const) {
    const { came, messages } = await ask(url, {})
    assert.equal(came, { OpenFigiTransportError: 1 })
    assert.match(messages[0] ?? '', why)
  }
})

test.run()
