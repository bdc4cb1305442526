import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InvalidSettingError } from '../../src/errors/invalid_setting_error.ts'
import { OpenFigiAuthError } from '../../src/errors/openfigi_auth_error.ts'
import { OpenFigiRateLimitError } from '../../src/errors/openfigi_rate_limit_error.ts'
import { OpenFigiRequestError } from '../../src/errors/openfigi_request_error.ts'
import { OpenFigiResponseError } from '../../src/errors/openfigi_response_error.ts'
import { OpenFigiServerError } from '../../src/errors/openfigi_server_error.ts'
import { OpenFigiTransportError } from '../../src/errors/openfigi_transport_error.ts'
import { OpenFigiUnavailableError } from '../../src/errors/openfigi_unavailable_error.ts'
import type { Budget } from '../../src/openfigi/budget.ts'
import { createInProcessBudget } from '../../src/openfigi/budget.ts'
import {
  createOpenFigi,
  type OpenFigi,
  type OpenFigiOptions,
  type RoundRequest,
} from '../../src/openfigi/fetch_round.ts'
import type { RequestInfo } from '../../src/openfigi/send_jobs.ts'
import { sleepFor } from '../../src/waiting.ts'
import { testKey } from '../support/canaries.ts'
import { composite } from '../support/listings.ts'
import {
  type ScriptedRequest,
  type ScriptedServer,
  type Step,
  startScriptedServer,
} from '../support/scripted_server.ts'
import { until } from '../support/until.ts'

/** A budget that grants everything and writes down what it hears. */
function openBudget(overrides: Partial<Budget> = {}): Budget & { heard: string[] } {
  const heard: string[] = []
  return {
    heard,
    async acquire() {
      heard.push('acquire')
    },
    async block(milliseconds) {
      heard.push(`block ${milliseconds}`)
    },
    async exhausted(milliseconds) {
      heard.push(`exhausted ${milliseconds}`)
    },
    ...overrides,
  }
}

interface Stage {
  readonly server: ScriptedServer
  readonly openfigi: OpenFigi
  readonly budget: ReturnType<typeof openBudget>
  readonly infos: RequestInfo[]
}

/** Runs the test against a server that plays the steps, and closes everything after it. */
async function staged(
  steps: [Step, ...Step[]],
  options: Partial<OpenFigiOptions> & { budget?: ReturnType<typeof openBudget> },
  run: (stage: Stage) => Promise<void>,
) {
  const budget = options.budget ?? openBudget()
  const infos: RequestInfo[] = []
  await using server = await startScriptedServer(...steps)
  await using openfigi = createOpenFigi({
    url: server.url,
    jobsPerRequest: 100,
    preference: ['US', 'home', 'any'],
    timeoutMs: 20_000,
    retries: { baseMs: 1, maxMs: 4 },
    circuit: { failures: 1000 },
    onRequest: (info) => infos.push(info),
    ...options,
    budget,
  })
  await run({ server, openfigi, budget, infos })
}

/** Requests for made-up CUSIPs, which nobody checks on the way to OpenFIGI. */
const asks = (count: number, unfiltered = false): RoundRequest[] =>
  Array.from({ length: count }, (_, i) => ({
    identifier: { type: 'CUSIP', value: String(100_000_000 + i) },
    unfiltered,
  }))

const tickerOf = (idValue: string) => `T${Number(idValue) - 100_000_000}`
const answerTo = (idValue: string) => ({ data: [composite('US', tickerOf(idValue), `F${idValue}`)] })

/** Answers each job with a ticker made of its value, so that every mix-up shows. */
const echo = ({ jobs }: ScriptedRequest) => ({ body: jobs.map(({ idValue }) => answerTo(idValue)) })

const allTickers = (count: number) => Array.from({ length: count }, (_, i) => `T${i}`)

type Result = Awaited<ReturnType<OpenFigi['fetchRound']>>[number]
const summary = (result: Result) => (result.kind === 'listing' ? result.listing.ticker : result.kind)
/** Without when it was asked for. */
const timeless = (results: readonly Result[]) =>
  results.map((result) => {
    const { askedAt, ...rest } = result as Result & { askedAt?: number }
    assert.is(typeof askedAt, result.kind === 'listing' || result.kind === 'none' ? 'number' : 'undefined')
    return rest
  })
const errorOf = (promise: Promise<unknown>) => promise.then(() => null).catch((error) => error)
const sizes = ({ requests }: { requests: ScriptedRequest[] }) => requests.map(({ jobs }) => jobs.length)

test('answers are paired by position, whatever they are', async () => {
  const body = [
    { data: [composite('US', 'B', 'F2'), composite('US', 'A', 'F1')] },
    { warning: 'No identifier found.' },
    { error: 'Invalid idValue format.' },
    { data: [] },
    { data: [composite('US', 'A', 'F1', { ticker: null })] },
    { warning: 'Something else.' },
  ]
  await staged([{ body }], {}, async ({ openfigi }) => {
    const outcomes = timeless(await openfigi.fetchRound(asks(6)))
    assert.equal(outcomes[0], {
      kind: 'listing',
      listing: composite('US', 'A', 'F1'),
      alternatives: [composite('US', 'B', 'F2')],
    })
    assert.equal(outcomes[1], { kind: 'none', filtered: true })
    assert.equal(outcomes[2], { kind: 'error', message: 'OpenFIGI says: Invalid idValue format.' })
    assert.is(outcomes[3]?.kind, 'error')
    assert.equal(outcomes[4], { kind: 'error', message: 'OpenFIGI knows the identifier but gave no ticker' })
    assert.is(outcomes[5]?.kind, 'error')
  })
})

test('a request is filtered by the first market, unless it is unfiltered or there is no such market', async () => {
  const requests: RoundRequest[] = [
    { identifier: { type: 'CUSIP', value: '037833100' }, unfiltered: false },
    { identifier: { type: 'CUSIP', value: '037833100' }, unfiltered: true },
    { identifier: { type: 'ISIN', value: 'DE0007164600' }, unfiltered: false },
    { identifier: { type: 'CUSIP', value: 'G0176J109' }, unfiltered: false },
  ]
  const none: Step = ({ jobs }) => ({ body: jobs.map(() => ({ warning: 'No identifier found.' })) })
  await staged([none], { preference: ['home', 'any'] }, async ({ openfigi, server }) => {
    assert.equal(timeless(await openfigi.fetchRound(requests)), [
      { kind: 'none', filtered: true },
      { kind: 'none', filtered: false },
      { kind: 'none', filtered: true },
      { kind: 'none', filtered: false },
    ])
    assert.equal(server.requests[0]?.jobs, [
      { idType: 'ID_CUSIP', idValue: '037833100', exchCode: 'US' },
      { idType: 'ID_CUSIP', idValue: '037833100' },
      { idType: 'ID_ISIN', idValue: 'DE0007164600', exchCode: 'GR' },
      { idType: 'ID_CINS', idValue: 'G0176J109' },
    ])
    assert.equal(
      requests.map(({ identifier }) => openfigi.firstMarketOf(identifier)),
      ['US', 'US', 'GR', null],
    )
  })
})

test('a round is split by the jobs a request may carry, each request takes a slot, the order is kept', async () => {
  await staged([echo], { jobsPerRequest: 10 }, async ({ openfigi, server, budget, infos }) => {
    assert.equal((await openfigi.fetchRound(asks(25))).map(summary), allTickers(25))
    assert.equal(sizes(server).toSorted(), [10, 10, 5])
    assert.equal(budget.heard, ['acquire', 'acquire', 'acquire'])
    assert.equal(infos.map(({ jobs, status, error }) => [jobs, status, error]).toSorted(), [
      [10, 200, null],
      [10, 200, null],
      [5, 200, null],
    ])
  })
})

test('nothing asked, nothing sent', async () => {
  await staged([echo], {}, async ({ openfigi, server, budget }) => {
    assert.equal(await openfigi.fetchRound([]), [])
    assert.is(server.requests.length + budget.heard.length, 0)
  })
})

test('the slot is taken before the request is sent', async () => {
  const gate = Promise.withResolvers<void>()
  const budget = openBudget({ acquire: () => gate.promise })
  await staged([echo], { budget }, async ({ openfigi, server }) => {
    const round = openfigi.fetchRound(asks(1))
    await sleepFor(30)
    assert.is(server.requests.length, 0)
    gate.resolve()
    assert.equal((await round).map(summary), ['T0'])
  })
})

test('several requests of a round are under way at once, but no more than the concurrency', async () => {
  let most = 0
  const under: (() => void)[] = []
  // Answers when three are there, and a fourth has had the time to come.
  const slow: Step = ({ jobs }, response) => {
    under.push(() => response.end(JSON.stringify(jobs.map(({ idValue }) => answerTo(idValue)))))
    most = Math.max(most, under.length)
    const answerAll = () => {
      for (const answer of under.splice(0)) answer()
    }
    if (under.length === 3) setTimeout(answerAll, 20)
    return undefined
  }
  await staged([slow], { jobsPerRequest: 1, concurrency: 3 }, async ({ openfigi }) => {
    assert.equal((await openfigi.fetchRound(asks(9))).map(summary), allTickers(9))
    assert.is(most, 3)
  })
})

test('413 halves the request until it fits, loses no job, and the smaller cap is remembered', async () => {
  const capped: Step = (request) =>
    request.jobs.length > 10 ? { status: 413, body: 'Payload too large.' } : echo(request)
  await staged([capped], {}, async ({ openfigi, server, budget }) => {
    assert.is(openfigi.jobsPerRequest, 100)
    assert.equal((await openfigi.fetchRound(asks(100))).map(summary), allTickers(100))
    assert.is(openfigi.jobsPerRequest, 7)
    assert.equal(sizes(server).slice(0, 5), [100, 50, 25, 13, 7])
    assert.is(budget.heard.length, server.requests.length)
    const before = server.requests.length
    assert.equal((await openfigi.fetchRound(asks(20))).map(summary), allTickers(20))
    assert.equal(sizes(server).slice(before).toSorted(), [6, 7, 7])
  })
})

test('a 413 that arrives late never raises the cap again', async () => {
  const isDue = Promise.withResolvers<void>()
  const step: Step = (request, response) => {
    if (request.jobs.length <= 5) return echo(request)
    const refuse = () => response.writeHead(413).end('Payload too large.')
    if (request.jobs.length === 40) void isDue.promise.then(refuse)
    else refuse()
    return undefined
  }
  await staged([step], { jobsPerRequest: 40 }, async ({ openfigi, server }) => {
    const late = openfigi.fetchRound(asks(40))
    await until('it is asked', () => server.requests.length === 1)
    assert.equal((await openfigi.fetchRound(asks(10))).map(summary), allTickers(10))
    assert.is(openfigi.jobsPerRequest, 5)
    isDue.resolve()
    assert.equal((await late).map(summary), allTickers(40))
    assert.equal(sizes(server), [40, 10, ...Array(10).fill(5)])
  })
})

test('a single job that is still too large is an error of its own', async () => {
  const step: Step = (request) =>
    request.body.includes('100000001') ? { status: 413, body: 'Payload too large.' } : echo(request)
  await staged([step], {}, async ({ openfigi }) => {
    assert.equal((await openfigi.fetchRound(asks(4))).map(summary), ['T0', 'error', 'T2', 'T3'])
  })
})

test('400 is bisected down to the bad jobs, which become errors, while the others get their answers', async () => {
  const bad = ['100000003', '100000017', '100000018']
  const step: Step = (request) =>
    request.jobs.some(({ idValue }) => bad.includes(idValue))
      ? { status: 400, body: 'Bad request.' }
      : echo(request)
  await staged([step], {}, async ({ openfigi, server }) => {
    const outcomes = await openfigi.fetchRound(asks(40))
    const expected = allTickers(40)
    for (const place of [3, 17, 18]) expected[place] = 'error'
    assert.equal(outcomes.map(summary), expected)
    assert.match(outcomes[3]?.kind === 'error' ? outcomes[3].message : '', /HTTP 400.*Bad request/)
    assert.is(openfigi.jobsPerRequest, 100)
    assert.ok(server.requests.length < 40)
  })
})

test('401 throws at once: nothing is tried again, nothing more is sent', async () => {
  const step: Step = { status: 401, body: 'Invalid API key.' }
  await staged(
    [step],
    { jobsPerRequest: 1, concurrency: 1, apiKey: 'INVALID' },
    async ({ openfigi, server }) => {
      assert.instance(await errorOf(openfigi.fetchRound(asks(9))), OpenFigiAuthError)
      assert.is(server.requests.length, 1)
    },
  )
})

test('401 also ends what waits for its slot', async () => {
  let slots = 0
  const budget = openBudget({
    acquire: (signal) => (slots++ === 0 ? Promise.resolve() : sleepFor(3_600_000, signal)),
  })
  await staged([{ status: 401, body: '' }], { budget, jobsPerRequest: 1 }, async ({ openfigi, server }) => {
    assert.instance(await errorOf(openfigi.fetchRound(asks(9))), OpenFigiAuthError)
    assert.is(server.requests.length, 1)
  })
})

test('404 is permanent: a bug or a wrong URL, not a bad job', async () => {
  await staged([{ status: 404, body: 'Invalid url.' }], {}, async ({ openfigi, server }) => {
    assert.instance(await errorOf(openfigi.fetchRound(asks(9))), OpenFigiRequestError)
    assert.is(server.requests.length, 1)
  })
})

test('429 blocks the budget for as long as the server says, and the request is sent again', async () => {
  const refused: Step = { status: 429, headers: { 'retry-after': '58' }, body: 'Too many requests' }
  await staged([refused, refused, echo], {}, async ({ openfigi, budget, server }) => {
    assert.equal((await openfigi.fetchRound(asks(2))).map(summary), ['T0', 'T1'])
    assert.equal(budget.heard, ['acquire', 'block 58000', 'acquire', 'block 58000', 'acquire'])
    assert.is(server.requests.length, 3)
  })
})

test('429 without a word about how long blocks for one window: 7 s with a key, 70 s without', async () => {
  const refused: Step = { status: 429, body: 'Too many requests' }
  await staged([refused, echo], {}, async ({ openfigi, budget }) => {
    await openfigi.fetchRound(asks(1))
    assert.ok(budget.heard.includes('block 70000'))
  })
  await staged([refused, echo], { apiKey: testKey }, async ({ openfigi, budget }) => {
    await openfigi.fetchRound(asks(1))
    assert.ok(budget.heard.includes('block 7000'))
  })
  await staged([refused, echo], { windowMs: 123 }, async ({ openfigi, budget }) => {
    await openfigi.fetchRound(asks(1))
    assert.ok(budget.heard.includes('block 123'))
  })
})

test('429 does not count against the attempts, up to a bound of its own', async () => {
  const refused: Step = { status: 429, headers: { 'retry-after': '0' }, body: 'Too many requests' }
  const many = Array.from({ length: 4 }, () => refused)
  await staged([refused, ...many, echo], { retries: { attempts: 1, baseMs: 1 } }, async ({ openfigi }) => {
    assert.equal((await openfigi.fetchRound(asks(1))).map(summary), ['T0'])
  })
  await staged([refused], {}, async ({ openfigi, server }) => {
    assert.instance(await errorOf(openfigi.fetchRound(asks(1))), OpenFigiRateLimitError)
    assert.is(server.requests.length, 6)
  })
})

test('with a real budget a 429 holds back every request until the wait is over', async () => {
  const refused: Step = { status: 429, headers: { 'retry-after': '0.2' }, body: 'Too many requests' }
  const budget = Object.assign(createInProcessBudget({ capacity: 25, windowMs: 1000 }), { heard: [] })
  await staged(
    [refused, echo],
    { budget, concurrency: 1, jobsPerRequest: 1 },
    async ({ openfigi, server }) => {
      await openfigi.fetchRound(asks(1))
      await openfigi.fetchRound(asks(1))
      const [first, second, third] = server.requests
      assert.ok((second?.at ?? 0) - (first?.at ?? 0) >= 195)
      assert.ok((third?.at ?? 0) >= (second?.at ?? 0))
    },
  )
})

test('where the budget cannot be told of a 429, the request itself waits', async () => {
  const budget = openBudget({ block: () => Promise.reject(new Error('database away')) })
  const refused: Step = { status: 429, headers: { 'retry-after': '0.1' }, body: '' }
  await staged([refused, echo], { budget }, async ({ openfigi, server }) => {
    assert.equal((await openfigi.fetchRound(asks(1))).map(summary), ['T0'])
    const [first, second] = server.requests
    assert.ok((second?.at ?? 0) - (first?.at ?? 0) >= 95)
  })
})

test('ratelimit-remaining: 0 on an answer tells the budget, with the reset', async () => {
  const answer = (headers: Record<string, string>): Step => ({ headers, body: [answerTo('100000000')] })
  const steps: [Step, ...Step[]] = [
    answer({ 'ratelimit-remaining': '1', 'ratelimit-reset': '9' }),
    answer({ 'ratelimit-remaining': '0', 'ratelimit-reset': '9' }),
    answer({ 'ratelimit-remaining': '0' }),
    answer({ 'ratelimit-remaining': 'zero', 'ratelimit-reset': '9' }),
  ]
  await staged(steps, { windowMs: 777 }, async ({ openfigi, budget }) => {
    for (const _ of steps) await openfigi.fetchRound(asks(1))
    assert.equal(
      budget.heard.filter((word) => word !== 'acquire'),
      ['exhausted 9000', 'exhausted 777'],
    )
  })
})

test('a budget that cannot be told so does not cost the answers', async () => {
  const budget = openBudget({ exhausted: () => Promise.reject(new Error('database away')) })
  const step: Step = { headers: { 'ratelimit-remaining': '0' }, body: [answerTo('100000000')] }
  await staged([step], { budget }, async ({ openfigi }) => {
    assert.equal((await openfigi.fetchRound(asks(1))).map(summary), ['T0'])
  })
})

const broken: Step = (_, response) => {
  response.socket?.resetAndDestroy()
  return undefined
}
const outages: [string, Step, new (...args: never[]) => Error][] = [
  ['5xx', { status: 503, body: 'Service unavailable' }, OpenFigiServerError],
  ['a reset', broken, OpenFigiTransportError],
  ['no JSON', { body: '<html>' }, OpenFigiResponseError],
  ['a wrong length', { body: [{}, {}, { warning: 'No identifier found.' }] }, OpenFigiResponseError],
]

for (const [name, step, type] of outages) {
  test(`${name} is tried again, each time with a slot of its own, and may succeed`, async () => {
    await staged([step, step, step, echo], {}, async ({ openfigi, budget, infos }) => {
      assert.equal((await openfigi.fetchRound(asks(2))).map(summary), ['T0', 'T1'])
      assert.is(budget.heard.length, 4)
      assert.equal(
        infos.map(({ error }) => error instanceof type),
        [true, true, true, false],
      )
    })
  })

  test(`${name} four times over is thrown, retryable, and nothing is taken for a negative`, async () => {
    await staged([step], {}, async ({ openfigi, server, budget }) => {
      const error = await errorOf(openfigi.fetchRound(asks(1)))
      assert.instance(error, type)
      assert.ok(error.retryable)
      assert.is(server.requests.length, 4)
      assert.is(budget.heard.length, 4)
    })
  })
}

test('the waits between attempts grow exponentially at most, with jitter', async () => {
  const waits: number[] = []
  const logger = { debug() {}, warn: (fields: object) => waits.push((fields as { waitMs: number }).waitMs) }
  await staged(
    [{ status: 500, body: '' }],
    { logger, retries: { attempts: 8, baseMs: 4, maxMs: 20 } },
    async ({ openfigi }) => {
      for (let i = 0; i < 5; i++) await errorOf(openfigi.fetchRound(asks(1)))
      assert.is(waits.length, 35)
      const caps = [4, 8, 16, 20, 20, 20, 20]
      assert.ok(
        waits.every((wait, i) => wait >= 0 && wait <= (caps[i % 7] ?? 0)),
        String(waits),
      )
      assert.ok(new Set(waits).size > 5)
    },
  )
})

test('where a part fails for good, the others keep their outcomes and it is `failed`', async () => {
  const step: Step = (request) => (request.body.includes('100000012') ? { body: 'no JSON' } : echo(request))
  await staged([step], { jobsPerRequest: 10, concurrency: 1 }, async ({ openfigi }) => {
    const outcomes = await openfigi.fetchRound(asks(30))
    const expected = allTickers(30).map((ticker, i) => (i >= 10 && i < 20 ? 'failed' : ticker))
    assert.equal(outcomes.map(summary), expected)
    const part = outcomes[12]
    assert.instance(part?.kind === 'failed' && part.error, OpenFigiResponseError)
  })
})

const endless: Step = (_, response) => {
  response.writeHead(200)
  response.write(Buffer.alloc(20_000_000, ' '))
  return undefined
}
const overOneJob: [string, Step][] = [
  ['HTTP 500', { status: 500, body: 'poison' }],
  ['an endless answer', endless],
]
for (const [name, step] of overOneJob) {
  test(`the job that OpenFIGI meets with ${name} is found, and the others get their answers`, async () => {
    const poisoned: Step = (request, response) => {
      if (!request.body.includes('100000012')) return echo(request)
      return typeof step === 'function' ? step(request, response) : step
    }
    await staged([poisoned], { circuit: { failures: 10 } }, async ({ openfigi, server }) => {
      const outcomes = await openfigi.fetchRound(asks(100))
      assert.equal(
        outcomes.map(summary),
        allTickers(100).map((ticker, i) => (i === 12 ? 'error' : ticker)),
      )
      assert.ok(server.requests.length < 25, String(server.requests.length))
    })
  })
}

test('a job that OpenFIGI never answers is found where it answers others meanwhile', async () => {
  const hangs: Step = (request) => (request.body.includes('100000012') ? undefined : echo(request))
  const options = { timeoutMs: 150, jobsPerRequest: 10, concurrency: 2 }
  await staged([hangs], options, async ({ openfigi }) => {
    const outcomes = await openfigi.fetchRound(asks(30))
    assert.equal(
      outcomes.map(summary),
      allTickers(30).map((ticker, i) => (i === 12 ? 'error' : ticker)),
    )
  })
})

test('in an outage that search ends with the circuit, and nothing is an error of its own', async () => {
  const options = { circuit: { failures: 10 } }
  await staged([{ status: 500, body: '' }], options, async ({ openfigi, server }) => {
    assert.instance(await errorOf(openfigi.fetchRound(asks(100))), OpenFigiUnavailableError)
    assert.is(server.requests.length, 10)
  })
})

test('a wrong length is no reason to ask for less: to one job it would seem to fit', async () => {
  await staged([{ body: [{ warning: 'No identifier found.' }] }], {}, async ({ openfigi, server }) => {
    assert.instance(await errorOf(openfigi.fetchRound(asks(2))), OpenFigiResponseError)
    assert.ok(server.requests.every(({ jobs }) => jobs.length === 2))
  })
})

test('where the key is refused halfway, what came before is kept and the rest is `failed`', async () => {
  const refused: Step = { status: 401, body: '' }
  await staged([echo, refused], { jobsPerRequest: 2, concurrency: 1 }, async ({ openfigi, server }) => {
    const outcomes = await openfigi.fetchRound(asks(8))
    assert.equal(outcomes.map(summary), ['T0', 'T1', ...Array(6).fill('failed')])
    assert.ok(
      outcomes.slice(2).every((part) => part.kind === 'failed' && part.error instanceof OpenFigiAuthError),
    )
    assert.is(server.requests.length, 2)
  })
})

test('an abort throws the reason of the signal, whatever was waited for', async () => {
  const stages: [string, Step, Partial<OpenFigiOptions> & { budget?: ReturnType<typeof openBudget> }][] = [
    ['the slot', echo, { budget: openBudget({ acquire: (signal) => sleepFor(3_600_000, signal) }) }],
    ['the answer', () => undefined, {}],
    ['the next attempt', { status: 500, body: '' }, { retries: { baseMs: 3_600_000, maxMs: 3_600_000 } }],
    [
      'the end of a 429',
      { status: 429, headers: { 'retry-after': '600' }, body: '' },
      { budget: openBudget({ block: () => Promise.reject(new Error('away')) }) },
    ],
  ]
  for (const [name, step, options] of stages) {
    await staged([step], options, async ({ openfigi }) => {
      const controller = new AbortController()
      setTimeout(() => controller.abort(new Error('shutting down')), 60)
      const started = performance.now()
      const error = await errorOf(openfigi.fetchRound(asks(1), controller.signal))
      assert.is(error.message, 'shutting down', name)
      assert.ok(performance.now() - started < 15_000, name)
    })
  }
  await staged([echo], {}, async ({ openfigi, server }) => {
    const error = await errorOf(openfigi.fetchRound(asks(1), AbortSignal.abort(new Error('too late'))))
    assert.is(error.message, 'too late')
    assert.is(server.requests.length, 0)
  })
})

test('an abort keeps the outcomes that are there already', async () => {
  const controller = new AbortController()
  const stop: Step = () => {
    controller.abort(new Error('shutting down'))
    return undefined
  }
  await staged([echo, stop], { jobsPerRequest: 1, concurrency: 1 }, async ({ openfigi }) => {
    const outcomes = await openfigi.fetchRound(asks(3), controller.signal)
    assert.equal(outcomes.map(summary), ['T0', 'failed', 'failed'])
    assert.is(outcomes[2]?.kind === 'failed' && outcomes[2].error.message, 'shutting down')
  })
})

test('an error of the budget is thrown as it is, and not tried again', async () => {
  const away = Object.assign(new Error('connection refused'), { code: '08006' })
  let asked = 0
  const budget = openBudget({
    acquire() {
      asked += 1
      return Promise.reject(away)
    },
  })
  await staged([echo], { budget }, async ({ openfigi, server }) => {
    assert.is(await errorOf(openfigi.fetchRound(asks(1))), away)
    assert.equal([asked, server.requests.length], [1, 0])
  })
})

test('a dead API is not hammered: the circuit opens for all rounds, and closes when it is back', async () => {
  const dead: Step = { status: 503, body: '' }
  let time = 0
  const circuit = { failures: 5, halfOpenAfterMs: 150, now: () => time }
  await staged([dead, dead, dead, dead, dead, echo], { circuit }, async ({ openfigi, server, budget }) => {
    assert.instance(await errorOf(openfigi.fetchRound(asks(1))), OpenFigiServerError)
    assert.instance(await errorOf(openfigi.fetchRound(asks(1))), OpenFigiUnavailableError)
    assert.is(server.requests.length, 5)
    time = 149
    const error = await errorOf(openfigi.fetchRound(asks(1)))
    assert.instance(error, OpenFigiUnavailableError)
    assert.is(error.retryAfterMs, 1)
    assert.is(server.requests.length, 5)
    assert.is(budget.heard.length, 5)
    time = 150
    assert.equal((await openfigi.fetchRound(asks(1))).map(summary), ['T0'])
    assert.equal((await openfigi.fetchRound(asks(1))).map(summary), ['T0'])
  })
})

test('whoever waited for a slot while the circuit opened sends nothing', async () => {
  const gate = Promise.withResolvers<void>()
  let slots = 0
  const budget = openBudget({ acquire: () => (slots++ === 0 ? gate.promise : Promise.resolve()) })
  await staged(
    [{ status: 503, body: '' }],
    { budget, circuit: { failures: 4 } },
    async ({ openfigi, server }) => {
      const waiting = errorOf(openfigi.fetchRound(asks(1)))
      await errorOf(openfigi.fetchRound(asks(1)))
      assert.is(server.requests.length, 4)
      gate.resolve()
      assert.instance(await waiting, OpenFigiUnavailableError)
      assert.is(server.requests.length, 4)
    },
  )
})

test('an observer that throws does no harm', async () => {
  const onRequest = () => {
    throw new Error('a bug of the observer')
  }
  await staged([echo], { onRequest }, async ({ openfigi }) => {
    assert.equal((await openfigi.fetchRound(asks(1))).map(summary), ['T0'])
  })
})

test('a pino logger fits, and the key is in no line that it writes, nor in the object', async () => {
  const apiKey = '5ecret00-dead-beef-0000-0123456789ab'
  const lines: string[] = []
  const logger = pino({ level: 'trace' }, { write: (line: string) => lines.push(line) })
  const step: Step = ({ headers }) => ({ status: 500, body: `key ${headers['x-openfigi-apikey']}` })
  const refused: Step = ({ headers }) => ({
    status: 429,
    headers: { 'retry-after': '0' },
    body: `${headers['x-openfigi-apikey']}`,
  })
  await staged([step, refused, step, echo], { logger, apiKey }, async ({ openfigi, server }) => {
    await openfigi.fetchRound(asks(1))
    assert.is(server.requests[0]?.headers['x-openfigi-apikey'], apiKey)
    assert.not.match(JSON.stringify(openfigi), /5ecret/)
  })
  assert.ok(lines.length >= 6)
  assert.not.match(lines.join(''), /5ecret/)
})

test('closing ends what is under way, and nothing is sent afterwards', async () => {
  await staged([() => undefined], {}, async ({ openfigi, server }) => {
    const round = errorOf(openfigi.fetchRound(asks(1)))
    await until('it is asked', () => server.requests.length === 1)
    await openfigi.close()
    assert.match((await round).message, /closed/)
    assert.match((await errorOf(openfigi.fetchRound(asks(1)))).message, /closed/)
    await openfigi.close()
    assert.is(server.requests.length, 1)
  })
})

test('options that cannot work are refused when the object is made', () => {
  const options = {
    url: 'https://api.openfigi.com',
    jobsPerRequest: 10,
    preference: ['any'],
    budget: openBudget(),
  }
  const refusal = (changes: Partial<OpenFigiOptions>) => {
    try {
      createOpenFigi({ ...options, ...changes })
    } catch (error) {
      return error instanceof InvalidSettingError && error.setting
    }
    return null
  }
  assert.is(refusal({ url: 'http://api.openfigi.com' }), 'OPENFIGI_API_URL')
  assert.is(refusal({ apiKey: 'two\nlines' }), 'OPENFIGI_API_KEY')
  assert.is(refusal({ apiKey: 'schlüssel' }), 'OPENFIGI_API_KEY')
  assert.is(refusal({ jobsPerRequest: 0 }), 'OPENFIGI_JOBS_PER_REQUEST')
})

test.run()
