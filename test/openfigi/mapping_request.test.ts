import { createServer } from 'node:net'
import { inspect } from 'node:util'
import { Agent, MockAgent } from 'undici'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OpenFigiAnswerTooLargeError } from '../../src/errors/openfigi_answer_too_large_error.ts'
import { OpenFigiAuthError } from '../../src/errors/openfigi_auth_error.ts'
import { OpenFigiPayloadTooLargeError } from '../../src/errors/openfigi_payload_too_large_error.ts'
import { OpenFigiRateLimitError } from '../../src/errors/openfigi_rate_limit_error.ts'
import { OpenFigiRequestError } from '../../src/errors/openfigi_request_error.ts'
import { OpenFigiResponseError } from '../../src/errors/openfigi_response_error.ts'
import { OpenFigiServerError } from '../../src/errors/openfigi_server_error.ts'
import { OpenFigiTransportError } from '../../src/errors/openfigi_transport_error.ts'
import { PgfigiError } from '../../src/errors/pgfigi_error.ts'
import { type MappingRequest, postMapping } from '../../src/openfigi/mapping_request.ts'
import { listing } from '../support/listings.ts'
import { type ScriptedRequest, type Step, startScriptedServer } from '../support/scripted_server.ts'
import { until } from '../support/until.ts'

const key = '5ecret00-dead-beef-0000-0123456789ab'
const jobs = [{ idType: 'ID_CUSIP', idValue: '037833100' }] as const

async function post(url: string, options: Partial<MappingRequest> = {}) {
  const dispatcher = new Agent({ allowH2: false })
  try {
    return await postMapping({ url: new URL(url), dispatcher, timeoutMs: 20_000, jobs, ...options })
  } finally {
    await dispatcher.destroy()
  }
}

/** What a request to a server that plays these steps comes to, and what the server saw. */
async function against(steps: [Step, ...Step[]], options: Partial<MappingRequest> = {}) {
  await using server = await startScriptedServer(...steps)
  const { value, error } = await outcomeOf(post(server.url, options))
  return { value, error, requests: server.requests }
}

async function outcomeOf<T>(promise: Promise<T>): Promise<{ value?: T; error?: unknown }> {
  try {
    return { value: await promise }
  } catch (error) {
    return { error }
  }
}

// biome-ignore lint/suspicious/noExplicitAny: any constructor
function isError(error: unknown, type: new (...args: any) => PgfigiError, retryable: boolean): PgfigiError {
  assert.instance(error, type)
  assert.is((error as PgfigiError).name, type.name)
  assert.is((error as PgfigiError).retryable, retryable)
  return error as PgfigiError
}

test('one POST to /v3/mapping with the jobs as JSON, answered by position', async () => {
  const { value, requests } = await against([{ body: [{ data: [listing()] }] }])
  assert.equal(value?.answers, [{ kind: 'listings', listings: [listing()] }])
  assert.is(requests.length, 1)
  const request = requests[0] as ScriptedRequest
  assert.equal([request.method, request.path], ['POST', '/v3/mapping'])
  assert.is(request.headers['content-type'], 'application/json')
  assert.equal(request.jobs, jobs)
})

test('the key travels in X-OPENFIGI-APIKEY, and the header is left out where there is none', async () => {
  const body = [{ warning: 'No identifier found.' }]
  const withKey = await against([{ body }], { apiKey: key })
  assert.is(withKey.requests[0]?.headers['x-openfigi-apikey'], key)
  for (const apiKey of [undefined, '']) {
    const without = await against([{ body }], { apiKey })
    assert.not('x-openfigi-apikey' in (without.requests[0]?.headers ?? {}))
  }
})

test('the rate limit headers come with the answer', async () => {
  const headers = { 'ratelimit-remaining': '0', 'ratelimit-reset': '7' }
  const { value } = await against([{ headers, body: [{ warning: 'No identifier found.' }] }])
  assert.equal(value?.rateLimit, { retryAfterMs: null, remaining: 0, resetMs: 7000 })
})

test('401 and 403 are permanent, and say what to do', async () => {
  for (const status of [401, 403]) {
    const { error } = await against([{ status, body: 'Invalid API key.' }], { apiKey: key })
    const { message } = isError(error, OpenFigiAuthError, false)
    assert.match(message, /check OPENFIGI_API_KEY/)
    assert.match(message, /openfigi\.com\/api/)
    assert.is((error as OpenFigiAuthError).status, status)
    assert.is((error as OpenFigiAuthError).body, 'Invalid API key.')
  }
  const { error } = await against([{ status: 403, body: '' }])
  assert.match((error as Error).message, /without an API key .* set OPENFIGI_API_KEY/)
})

test('400 and the other 4xx are permanent', async () => {
  for (const status of [400, 404, 405, 406, 415, 422]) {
    const { error } = await against([{ status, body: 'Bad request.' }])
    isError(error, OpenFigiRequestError, false)
    assert.is((error as OpenFigiRequestError).status, status)
    assert.match((error as Error).message, /Bad request\./)
  }
})

test('413 says how many jobs were too many', async () => {
  const { error } = await against([{ status: 413, body: 'Payload too large.' }])
  isError(error, OpenFigiPayloadTooLargeError, false)
  assert.is((error as OpenFigiPayloadTooLargeError).jobs, 1)
})

test('429 carries how long to wait: retry-after, else the reset, else nothing', async () => {
  const wait = async (headers: Record<string, string>) => {
    const { error } = await against([
      { status: 429, headers, body: 'Too many requests, please try again later.' },
    ])
    isError(error, OpenFigiRateLimitError, true)
    return (error as OpenFigiRateLimitError).retryAfterMs
  }
  assert.is(await wait({ 'retry-after': '58', 'ratelimit-reset': '59' }), 58_000)
  assert.is(await wait({ 'retry-after': 'later', 'ratelimit-reset': '59' }), 59_000)
  assert.is(await wait({}), null)
})

test('5xx is retryable, whatever its body', async () => {
  for (const status of [500, 502, 503, 504]) {
    const { error } = await against([{ status, body: '<html>\n<h1>down</h1>' }])
    isError(error, OpenFigiServerError, true)
    assert.is((error as OpenFigiServerError).status, status)
  }
})

test('a 408 is a timeout like any other', async () => {
  isError((await against([{ status: 408, body: '' }])).error, OpenFigiTransportError, true)
})

test('the status is looked at before the body: JSON with an error status is no answer', async () => {
  const { error } = await against([{ status: 500, body: [{ warning: 'No identifier found.' }] }])
  isError(error, OpenFigiServerError, true)
})

test('redirects are not followed, for the key would travel along', async () => {
  await using elsewhere = await startScriptedServer({ body: [{ warning: 'No identifier found.' }] })
  for (const status of [301, 302, 307, 308]) {
    const { error } = await against(
      [{ status, headers: { location: `${elsewhere.url}/v3/mapping` }, body: '' }],
      {
        apiKey: key,
      },
    )
    isError(error, OpenFigiRequestError, false)
    assert.is((error as OpenFigiRequestError).status, status)
  }
  assert.is(elsewhere.requests.length, 0)
})

test('a 200 that is not JSON, cut off within JSON, or not UTF-8 is a retryable response error', async () => {
  for (const body of ['<html>maintenance</html>', '', '[{"data": [', 'null', '{}', '[]', '[{},{}]']) {
    isError((await against([{ body }])).error, OpenFigiResponseError, true)
  }
  const latin1: Step = (_, response) => {
    response.end(Buffer.from([0x5b, 0x22, 0xe9, 0x22, 0x5d]))
    return undefined
  }
  isError((await against([latin1])).error, OpenFigiResponseError, true)
  isError(
    (await against([{ status: 202, body: [{ warning: 'No identifier found.' }] }])).error,
    OpenFigiResponseError,
    true,
  )
})

test('an answer that breaks off on the way is a retryable response error', async () => {
  const cut =
    (headers: Record<string, string>): Step =>
    (_, response) => {
      response.writeHead(200, headers)
      response.write('[{"warning": "No identifier found."}]')
      setTimeout(() => response.destroy(), 20)
      return undefined
    }
  isError((await against([cut({ 'content-length': '1000' })])).error, OpenFigiResponseError, true)
  isError((await against([cut({ 'transfer-encoding': 'chunked' })])).error, OpenFigiResponseError, true)
})

test('a reset or refused connection is a retryable transport error with its cause', async () => {
  const reset: Step = (_, response) => {
    response.socket?.resetAndDestroy()
    return undefined
  }
  const { error } = await against([reset])
  isError(error, OpenFigiTransportError, true)
  assert.instance((error as Error).cause, Error)
  const refused = await outcomeOf(post('http://127.0.0.1:9'))
  assert.match(isError(refused.error, OpenFigiTransportError, true).message, /ECONNREFUSED/)
})

test('the deadline covers the wait for headers, a body that trickles, and a connection that never comes', async () => {
  const silent: Step = () => undefined
  const trickle: Step = (_, response) => {
    response.writeHead(200)
    const timer = setInterval(() => response.write(' '), 10)
    response.on('close', () => clearInterval(timer))
    return undefined
  }
  const unconnected = new Agent({ connect: () => {} })
  for (const [step, dispatcher] of [[silent], [trickle], [silent, unconnected]] as const) {
    const started = performance.now()
    const { error } = await against([step], { timeoutMs: 100, ...(dispatcher ? { dispatcher } : {}) })
    assert.match(isError(error, OpenFigiTransportError, true).message, /within 100 ms/)
    assert.ok(performance.now() - started < 30_000)
  }
  await unconnected.destroy()
})

test('the deadline also ends a connection that accepts and says nothing', async () => {
  const sockets: { destroy(): void }[] = []
  const server = createServer((socket) => sockets.push(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const { error } = await outcomeOf(post(`http://127.0.0.1:${port}`, { timeoutMs: 50 }))
  isError(error, OpenFigiTransportError, true)
  for (const socket of sockets) socket.destroy()
  server.close()
})

test('an error status counts even where its text never ends', async () => {
  const endless: Step = (_, response) => {
    response.writeHead(401)
    response.write('Invalid API key.')
    return undefined
  }
  isError((await against([endless], { timeoutMs: 1000 })).error, OpenFigiAuthError, false)
  const flood: Step = (_, response) => {
    response.writeHead(500)
    response.write('x'.repeat(100_000))
    return undefined
  }
  const { error } = await against([flood])
  assert.ok(isError(error, OpenFigiServerError, true).message.length < 300)
})

test('an abort rejects with the reason of the signal, before, during and after the headers', async () => {
  const slow: Step = (_, response) => {
    response.writeHead(200)
    response.write('[')
    return undefined
  }
  for (const step of [() => undefined, slow]) {
    const controller = new AbortController()
    setTimeout(() => controller.abort(new Error('enough')), 50)
    const { error } = await against([step], { signal: controller.signal })
    assert.is((error as Error).message, 'enough')
  }
  const { error, requests } = await against([{ body: [] }], {
    signal: AbortSignal.abort(new Error('too late')),
  })
  assert.is((error as Error).message, 'too late')
  assert.is(requests.length, 0)
})

test('an answer larger than the cap is not read to its end, whatever its headers promise', async () => {
  let closed = false
  const flood: Step = (_, response) => {
    response.writeHead(200)
    const write = () => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    }
    response.on('drain', write)
    response.on('close', () => {
      closed = true
    })
    write()
    return undefined
  }
  const { error } = await against([flood], { maxResponseBytes: 1_000_000 })
  assert.instance(error, OpenFigiResponseError)
  assert.match(isError(error, OpenFigiAnswerTooLargeError, true).message, /larger than 1000000 bytes/)
  await until('the connection is closed', () => closed)
  const exact = JSON.stringify([{ warning: 'No identifier found.' }])
  assert.ok((await against([{ body: exact }], { maxResponseBytes: exact.length })).value)
  assert.ok((await against([{ body: exact }], { maxResponseBytes: exact.length - 1 })).error)
})

test('no timer and no listener is left behind', async () => {
  const controller = new AbortController()
  let listeners = 0
  const { addEventListener, removeEventListener } = controller.signal
  controller.signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners += 1
    addEventListener.apply(controller.signal, args)
  }
  controller.signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners -= 1
    removeEventListener.apply(controller.signal, args)
  }
  await against([{ status: 500, body: '' }], { signal: controller.signal, timeoutMs: 3_600_000 })
  assert.is(listeners, 0)
})

/** The error with its causes, every property, hidden ones too. */
function everythingIn(error: unknown): string {
  const options = {
    depth: Number.POSITIVE_INFINITY,
    showHidden: true,
    maxStringLength: null,
    maxArrayLength: null,
  }
  let text = inspect(error, options)
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    text += `${cause.message}\n${cause.stack}\n${JSON.stringify(cause)}\n${JSON.stringify(Object.getOwnPropertyDescriptors(cause))}`
  }
  return text
}

test('the key is nowhere in any error, even where the server echoes it', async () => {
  const echo =
    (status: number): Step =>
    ({ headers }) => ({
      status,
      body: `${'x'.repeat(170)} your key is ${headers['x-openfigi-apikey']}, you know`,
    })
  const steps: Step[] = [200, 202, 301, 400, 401, 403, 404, 408, 413, 429, 500, 503].map(echo)
  const echoElement: Step = ({ headers }) => ({
    body: [{ error: `bad key ${headers['x-openfigi-apikey']}` }],
  })
  steps.push(
    ({ headers }) => ({ body: { message: headers['x-openfigi-apikey'] } }),
    (_, response) => {
      response.socket?.resetAndDestroy()
      return undefined
    },
    () => undefined,
    ({ headers }, response) => {
      response.writeHead(200, { 'content-length': 1000, 'x-echo': headers['x-openfigi-apikey'] })
      response.write(`["${headers['x-openfigi-apikey']}`)
      setTimeout(() => response.destroy(), 10)
      return undefined
    },
    ({ headers }, response) => {
      response.socket?.end(`HTTP/1.1 200 OK\r\nbroken header ${headers['x-openfigi-apikey']}\r\n\r\n`)
      return undefined
    },
  )
  for (const [i, step] of steps.entries()) {
    const { error } = await against([step], { apiKey: key, timeoutMs: 300 })
    assert.instance(error, PgfigiError, `step ${i}`)
    assert.not.match(everythingIn(error), /5ecret00|0123456789ab/, `step ${i}`)
  }
  const { value } = await against([echoElement], { apiKey: key })
  assert.not.match(JSON.stringify(value), /5ecret00/)
  assert.match(JSON.stringify(value), /bad key \[secret\]/)
})

test('not even where a dispatcher puts the headers into what it throws', async () => {
  const dispatcher = new MockAgent()
  dispatcher.disableNetConnect()
  dispatcher
    .get('http://127.0.0.1:1')
    .intercept({ path: '/v3/mapping', method: 'POST', headers: { 'x-openfigi-apikey': 'another' } })
    .reply(200, [])
  const mocked = await outcomeOf(post('http://127.0.0.1:1', { apiKey: key, dispatcher }))
  isError(mocked.error, OpenFigiTransportError, true)
  assert.not.match(everythingIn(mocked.error), /5ecret00/)
  assert.ok((mocked.error as Error).cause)

  const nested = new Agent({
    connect: (_, callback) => {
      const cause = Object.assign(new Error('inner'), { headers: { 'x-openfigi-apikey': key }, code: 'EODD' })
      callback(Object.assign(new Error('outer', { cause }), { code: 'EODD' }), null)
    },
  })
  const thrown = await outcomeOf(post('http://127.0.0.1:1', { apiKey: key, dispatcher: nested }))
  assert.not.match(everythingIn(thrown.error), /5ecret00/)
  assert.is(((thrown.error as Error).cause as { code?: string }).code, 'EODD')
})

test.run()
