import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { request } from 'undici'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCusip, isIsin, isinOf, makeCins, makeCusip, makeIsin } from '../support/identifiers_maker.ts'
import { figiCheckDigit } from '../support/openfigi/securities.ts'
import { securityKey } from '../support/openfigi/universe.ts'
import type { WireAnswer, WireListing } from '../support/openfigi/wire.ts'
import {
  knownSecurities as known,
  recordedFolder,
  replayRecorded,
  type Simulator,
  type SimulatorOptions,
  withSimulator,
} from '../support/openfigi_simulator.ts'
import { until } from '../support/until.ts'

const test = suite('the simulator of OpenFIGI')

const TEN_KEYS = [
  'figi',
  'name',
  'ticker',
  'exchCode',
  'compositeFIGI',
  'securityType',
  'marketSector',
  'shareClassFIGI',
  'securityType2',
  'securityDescription',
]

interface Asked {
  key?: string | null
  method?: 'GET' | 'POST' | 'PUT'
  path?: string
  headers?: Record<string, string>
  body?: string
}

async function ask(sim: Simulator, jobs: unknown, asked: Asked = {}) {
  const { key = 'k', method = 'POST', path = '/v3/mapping' } = asked
  const response = await request(sim.url + path, {
    method,
    headers: {
      'content-type': 'application/json',
      ...(key === null ? {} : { 'x-openfigi-apikey': key }),
      ...asked.headers,
    },
    body: method === 'GET' ? null : (asked.body ?? JSON.stringify(jobs)),
  })
  const text = await response.body.text()
  return {
    status: response.statusCode,
    headers: response.headers,
    text,
    answers: () => JSON.parse(text) as WireAnswer[],
  }
}

const cusipJob = (idValue: string | number, filters = {}) => ({ idType: 'ID_CUSIP', idValue, ...filters })
const isinJob = (idValue: string, filters = {}) => ({ idType: 'ID_ISIN', idValue, ...filters })
const US = { exchCode: 'US' }

async function listings(sim: Simulator, job: unknown): Promise<WireListing[]> {
  const [answer] = (await ask(sim, [job])).answers()
  return answer && 'data' in answer ? answer.data : []
}

async function failure(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('expected a failure')
}

const simulating = (name: string, options: SimulatorOptions, body: (sim: Simulator) => Promise<void>) =>
  test(name, () => withSimulator(options, body))

// --- identifiers

test('makes valid identifiers that agree with real ones', () => {
  for (const cusip of [
    '037833100',
    '459200101',
    '594918104',
    '084670702',
    '78462F103',
    'G3788M114',
    '82509L107',
  ]) {
    assert.ok(isCusip(cusip), cusip)
  }
  assert.not.ok(isCusip('037833101'))
  assert.is(isinOf('US', '037833100'), 'US0378331005')
  assert.is(isinOf('US', '594918104'), 'US5949181045')
  assert.ok(isIsin('DE0007164600'))
  assert.not.ok(isIsin('DE0007164601'))
  for (const security of Object.values(known)) {
    assert.ok(isIsin(security.isin), security.name)
    assert.ok(security.key === security.isin || isCusip(security.key), security.name)
  }
})

test('makes distinct identifiers for distinct numbers, up to thirty million and over the seam of the issue', () => {
  const numbers = new Set<number>()
  for (let i = 0; i < 20_000; i++) {
    for (const start of [0, 15_000_000, 26_580_000, 29_980_000, 39_300_000]) numbers.add(start + i)
  }
  for (const make of [makeCusip, makeCins, (n: number) => makeIsin(n), (n: number) => makeIsin(n, 'DE')]) {
    const made = new Set([...numbers].map((n) => make(n)))
    assert.is(made.size, numbers.size)
  }
  for (let n = 0; n < 2000; n++) {
    assert.ok(/^\d/.test(makeCusip(n)) && isCusip(makeCusip(n)))
    assert.ok(/^[A-Z]/.test(makeCins(n)) && isCusip(makeCins(n)))
    for (const country of ['US', 'CA', 'DE', 'KY', 'XS']) assert.ok(isIsin(makeIsin(n, country)))
  }
  assert.is(makeIsin(7).slice(2, 11), makeCusip(7))
  assert.is(makeIsin(7, 'KY').slice(2, 11), makeCins(7))
  assert.throws(() => makeCusip(-1), RangeError)
  assert.throws(() => makeCusip(353_736_000), RangeError)
})

// --- answers

simulating('pairs answers with jobs by position', {}, async (sim) => {
  const { status, headers, answers } = await ask(sim, [
    cusipJob('459200101', US),
    cusipJob('037833101', US),
    { idType: 'ID_CUSIPS', idValue: '037833100' },
    cusipJob('000000000'),
    cusipJob('037833100', US),
  ])
  assert.is(status, 200)
  assert.is(headers['content-type'], 'application/json; charset=utf-8')
  const [ibm, checkDigit, idType, none, apple] = answers() as [
    { data: WireListing[] },
    unknown,
    unknown,
    unknown,
    { data: WireListing[] },
  ]
  assert.is(ibm.data[0]?.ticker, 'IBM')
  assert.equal(checkDigit, { error: 'Invalid idValue format.' })
  assert.equal(idType, { error: 'Invalid value for idType.' })
  assert.equal(none, { warning: 'No identifier found.' })
  assert.is(apple.data[0]?.ticker, 'AAPL')
  assert.equal(Object.keys(apple.data[0] ?? {}), TEN_KEYS)
})

simulating('refuses a CINS as ID_CUSIP, a CUSIP as ID_CINS, and damaged values', {}, async (sim) => {
  const wrong = [
    cusipJob('G3788M114'),
    { idType: 'ID_CINS', idValue: '037833100' },
    cusipJob(37833100),
    cusipJob('aapl'),
    isinJob('US0378331006'),
    isinJob('037833100'),
  ]
  for (const answer of (await ask(sim, wrong)).answers())
    assert.equal(answer, { error: 'Invalid idValue format.' })
  const [cayman] = await listings(sim, { idType: 'ID_CINS', idValue: 'G3788M114', ...US })
  assert.is(cayman?.ticker, 'CYEX')
  const [byIsin] = await listings(sim, isinJob(known.cayman.isin, US))
  assert.is(byIsin?.figi, cayman?.figi)
})

simulating('fans an unfiltered stock out into composites, venues and foreign tickers', {}, async (sim) => {
  const all = await listings(sim, cusipJob('037833100'))
  assert.ok(all.length > 30)
  assert.ok(new Set(all.map((listing) => listing.ticker)).size > 3)
  assert.is(new Set(all.map((listing) => listing.figi)).size, all.length)
  const composites = all.filter((listing) => listing.exchCode === 'US')
  assert.is(composites.length, 1)
  assert.is(composites[0]?.figi, composites[0]?.compositeFIGI)
  const venue = all.find((listing) => listing.exchCode === 'UW')
  assert.is(venue?.compositeFIGI, composites[0]?.figi)
  for (const listing of all) {
    assert.is(listing.figi.at(11), figiCheckDigit(listing.figi))
    assert.equal(Object.keys(listing), TEN_KEYS)
  }
  assert.equal(await listings(sim, isinJob('US0378331005')), all)
})

simulating('narrows by the filters and matches codes exactly', {}, async (sim) => {
  const codes = async (filters: object) =>
    (await listings(sim, cusipJob('037833100', filters))).map((listing) => listing.exchCode)
  assert.equal(await codes(US), ['US'])
  assert.equal(await codes({ exchCode: 'GY' }), ['GY'])
  assert.equal(await codes({ micCode: 'XNAS' }), ['UW'])
  assert.equal(await codes({ exchCode: 'ZZ' }), [])
  assert.equal(await codes({ exchCode: 'US', securityType2: 'Common Stock' }), ['US'])
  assert.equal(await codes({ exchCode: 'US', marketSecDes: 'Corp' }), [])
  assert.ok((await codes({ exchCode: null })).length > 30)
})

simulating(
  'knows bonds, funds, depositary receipts, trusts, foreign and ambiguous securities',
  {},
  async (sim) => {
    const bond = await listings(sim, cusipJob(known.treasury.key))
    assert.is(bond.length, 1)
    assert.is(bond[0]?.ticker, 'T 3 3/4 02/28/33')
    assert.is(bond[0]?.exchCode, null)
    assert.equal((await ask(sim, [cusipJob(known.treasury.key, US)])).answers(), [
      { warning: 'No identifier found.' },
    ])

    const type = async (isin: string) => (await listings(sim, isinJob(isin, US)))[0]?.securityType2
    assert.is(await type(known.spy.isin), 'Mutual Fund')
    assert.is(await type(known.toyota.isin), 'Depositary Receipt')
    assert.is(await type(known.realty.isin), 'REIT')
    assert.is((await listings(sim, cusipJob('084670702', US)))[0]?.ticker, 'BRK/B')
    assert.is((await listings(sim, isinJob(known.shopify.isin, { exchCode: 'CN' })))[0]?.ticker, 'SHOP')

    assert.equal(await listings(sim, isinJob('DE0007164600', US)), [])
    assert.is((await listings(sim, isinJob('DE0007164600')))[0]?.exchCode, 'GR')

    const classes = await listings(sim, cusipJob(known.ambiguous.key, US))
    assert.equal(
      classes.map((listing) => listing.ticker),
      ['DUO/A', 'DUO/B'],
    )
    assert.is.not(classes[0]?.shareClassFIGI, classes[1]?.shareClassFIGI)
  },
)

simulating(
  'answers any valid identifier by a rule, always the same',
  { limit: { requests: 999, windowMs: 1000 } },
  async (sim) => {
    const count = { us: 0, foreign: 0, bond: 0, unknown: 0 }
    for (let n = 0; n < 4000; n += 100) {
      const jobs = Array.from({ length: 100 }, (_, i) => cusipJob(makeCusip(n + i)))
      const first = await ask(sim, jobs)
      if (n === 0) assert.is((await ask(sim, jobs)).text, first.text)
      for (const answer of first.answers()) {
        if (!('data' in answer)) count.unknown++
        else if (answer.data[0]?.exchCode === null) count.bond++
        else if (answer.data.some((listing) => listing.exchCode === 'US')) count.us++
        else count.foreign++
        if ('data' in answer)
          for (const { ticker } of answer.data) assert.match(ticker ?? '', /^[A-Z0-9/* ]{3,22}$/)
      }
    }
    const near = (actual: number, share: number) =>
      assert.ok(Math.abs(actual / 4000 - share) < 0.02, `${actual}: ${share}`)
    near(count.us, 0.7)
    near(count.foreign, 0.1)
    near(count.bond, 0.08)
    near(count.unknown, 0.12)
  },
)

simulating('gives an ISIN the security of the CUSIP within it', {}, async (sim) => {
  const n = 4 // one that is known
  assert.equal(await listings(sim, isinJob(makeIsin(n))), await listings(sim, cusipJob(makeCusip(n))))
  assert.is(securityKey(makeIsin(n)), makeCusip(n))
  assert.is(securityKey(makeIsin(n, 'DE')), makeIsin(n, 'DE'))
  // An Israeli ISIN may pass the CUSIP check by coincidence and still is none.
  const coincidence = Array.from({ length: 100 }, (_, i) => makeIsin(i, 'IL')).find((v) =>
    isCusip(v.slice(2, 11)),
  )
  assert.is(securityKey(coincidence ?? ''), coincidence)
})

simulating(
  'takes other shares',
  { universe: { unknownShare: 0, bondShare: 0, foreignShare: 0 } },
  async (sim) => {
    const jobs = Array.from({ length: 100 }, (_, n) => cusipJob(makeCusip(n), US))
    assert.ok(
      (await ask(sim, jobs)).answers().every((answer) => 'data' in answer && answer.data.length === 1),
    )
  },
)

simulating(
  'inflates answers to megabytes',
  { universe: { inflate: 255, bondShare: 0, unknownShare: 0 } },
  async (sim) => {
    assert.is((await listings(sim, cusipJob('037833100'))).length, 255)
    const jobs = Array.from({ length: 100 }, (_, n) => cusipJob(makeCusip(n)))
    const { text, answers } = await ask(sim, jobs)
    assert.ok(text.length > 5_000_000, String(text.length))
    assert.ok(answers().every((answer) => 'data' in answer && answer.data.length === 255))
  },
)

simulating('can be told other answers for single identifiers, and new tickers', {}, async (sim) => {
  sim.set('037833100', 'unknown')
  assert.equal((await ask(sim, [cusipJob('037833100')])).answers(), [{ warning: 'No identifier found.' }])
  assert.is((await listings(sim, isinJob('US0378331005', US)))[0]?.ticker, 'AAPL') // its ISIN alone still resolves
  sim.set('037833100', { error: 'Odd.' })
  assert.equal((await ask(sim, [cusipJob('037833100')])).answers(), [{ error: 'Odd.' }])
  sim.set('037833100', [
    { ticker: 'X', exchCode: 'US' },
    { ticker: 'Y', exchCode: 'GR' },
  ])
  const [given, ...none] = await listings(sim, cusipJob('037833100', US))
  assert.is(given?.ticker, 'X')
  assert.equal(none, [])
  assert.equal(Object.keys(given ?? {}), TEN_KEYS)

  sim.rename('459200101', 'IBX')
  const ibm = await listings(sim, isinJob(known.ibm.isin))
  assert.is(ibm.find((listing) => listing.exchCode === 'US')?.ticker, 'IBX')
  assert.is(ibm.find((listing) => listing.exchCode === 'MM')?.ticker, 'IBX*')
  assert.throws(() => sim.rename('000000000', 'NIL'), /unknown/)
  sim.reset()
  assert.is((await listings(sim, cusipJob('459200101', US)))[0]?.ticker, 'IBM')
  assert.is((await listings(sim, cusipJob('037833100', US)))[0]?.ticker, 'AAPL')
})

// --- refusals

simulating(
  'says every refusal as text that calls itself HTML',
  { apiKeys: ['good'], now: () => 0 },
  async (sim) => {
    const jobs = [cusipJob('037833100')]
    const refusals: [number, string, Asked][] = [
      [401, 'Invalid API key.', { key: 'other' }],
      [401, 'Invalid API key.', { key: '' }],
      [404, 'Invalid url.', { path: '/v3/mappings' }],
      [404, 'Invalid url.', { path: '/v3/mapping/values/idType', method: 'GET' }],
      [405, 'Invalid HTTP method.', { method: 'GET' }],
      [405, 'Invalid HTTP method.', { method: 'PUT' }],
      [406, "Unsupported 'Accept' type.", { headers: { accept: 'text/csv' } }],
      [415, 'Invalid Content-Type. Should be', { headers: { 'content-type': 'text/plain' } }],
      [
        415,
        'Invalid Content-Type. Should be',
        { headers: { 'content-type': 'application/json; charset=latin1' } },
      ],
    ]
    for (const [status, text, asked] of refusals) {
      const response = await ask(sim, jobs, { key: 'good', ...asked })
      assert.is(response.status, status)
      assert.ok(response.text.startsWith(text), response.text)
      assert.is(response.headers['content-type'], 'text/html; charset=utf-8')
      assert.is(response.headers['ratelimit-remaining'], undefined)
      assert.is(response.headers['retry-after'], undefined)
    }
    // 401 and 404 took nothing from the window, the other five did
    const { headers } = await ask(sim, jobs, {
      key: 'good',
      headers: { 'content-type': 'text/json; charset=UTF-8' },
    })
    assert.is(headers['ratelimit-remaining'], String(25 - 5 - 1))
  },
)

simulating('calls a body bad that is no array of jobs', {}, async (sim) => {
  const bad = [
    '',
    'nonsense',
    '[]',
    '{}',
    '[null]',
    '["037833100"]',
    '[{"idValue":"037833100"}]',
    '[{"idType":7,"idValue":"037833100"}]',
    '[{"idType":"ID_CUSIP"}]',
    '[{"idType":"ID_CUSIP","idValue":["037833100"]}]',
    '[{"idType":"ID_CUSIP","idValue":"037833100","exchCode":1}]',
    '[{"idType":"ID_CUSIP","idValue":"037833100","exchCode":"US","micCode":"XNAS"}]',
    '[{"idType":"ID_CUSIP","idValue":"037833100"},{}]',
  ]
  for (const body of bad) {
    const { status, text } = await ask(sim, null, { body })
    assert.is(status, 400, body)
    assert.is(text, 'Bad request.')
  }
})

simulating('calls a request bad that contains a poisoned value', {}, async (sim) => {
  sim.poison('594918104')
  assert.is((await ask(sim, [cusipJob('037833100'), cusipJob('594918104')])).status, 400)
  assert.is((await ask(sim, [cusipJob('037833100')])).status, 200)
})

simulating('caps jobs at 100 with a key and 10 without', {}, async (sim) => {
  const jobs = (count: number) => Array.from({ length: count }, (_, n) => cusipJob(makeCusip(n), US))
  assert.is((await ask(sim, jobs(100))).status, 200)
  assert.is((await ask(sim, jobs(10), { key: null })).status, 200)
  for (const [count, key] of [
    [101, 'k'],
    [11, null],
  ] as const) {
    const { status, text } = await ask(sim, jobs(count), { key })
    assert.is(status, 413)
    assert.is(text, 'Payload too large.')
  }
})

simulating('takes other caps', { jobsPerRequest: { noKey: 5 } }, async (sim) => {
  const jobs = Array.from({ length: 6 }, (_, n) => cusipJob(makeCusip(n)))
  assert.is((await ask(sim, jobs, { key: null })).status, 413)
  assert.is((await ask(sim, jobs)).status, 200)
})

// --- the window

test('limits by a fixed window that begins with its first request, for each key', async () => {
  let clock = 1_000_000.25
  await withSimulator({ now: () => clock }, async (sim) => {
    const jobs = [cusipJob('037833100', US)]
    const first = await ask(sim, jobs)
    assert.is(first.headers['ratelimit-limit'], '25')
    assert.is(first.headers['ratelimit-policy'], '25;w=6')
    assert.is(first.headers['ratelimit-remaining'], '24')
    assert.is(first.headers['ratelimit-reset'], '6')
    assert.is(first.headers['retry-after'], undefined)
    clock += 4900
    const second = await ask(sim, jobs)
    assert.is(second.headers['ratelimit-reset'], '2') // 1.1 seconds, rounded up
    for (let i = 2; i < 25; i++) assert.is((await ask(sim, jobs)).status, 200)
    const over = await ask(sim, jobs)
    assert.is(over.status, 429)
    assert.is(over.text, 'Too many requests, please try again later.')
    assert.is(over.headers['content-type'], 'text/html; charset=utf-8')
    assert.is(over.headers['ratelimit-remaining'], '0')
    assert.is(over.headers['ratelimit-reset'], '2')
    assert.is(over.headers['retry-after'], '2')
    assert.is((await ask(sim, jobs, { key: 'another' })).status, 200)
    clock += 1099
    assert.is((await ask(sim, jobs)).status, 429)
    clock += 1 // the window ends 6000 ms after its first request, whatever was refused since
    assert.is((await ask(sim, jobs)).headers['ratelimit-remaining'], '24')
    assert.is(sim.maxInWindow(6000), 28)
    assert.equal(sim.countByStatus(), { 200: 27, 429: 2 })
  })
})

test('limits 25 in 60 seconds for an address without a key', async () => {
  let clock = 0
  await withSimulator({ now: () => clock }, async (sim) => {
    const one = () => ask(sim, [cusipJob('037833100', US)], { key: null })
    assert.is((await one()).headers['ratelimit-policy'], '25;w=60')
    clock += 2000
    for (let i = 1; i < 25; i++) assert.is((await one()).status, 200)
    assert.is((await one()).headers['retry-after'], '58')
    clock += 58_000
    assert.is((await one()).status, 200)
  })
})

test('takes other limits, with and without a key', async () => {
  const limit = { key: { requests: 2, windowMs: 1200 }, noKey: { requests: 1, windowMs: 500 } }
  await withSimulator({ limit, now: () => 0 }, async (sim) => {
    const jobs = [cusipJob('037833100', US)]
    const { headers } = await ask(sim, jobs)
    assert.is(headers['ratelimit-limit'], '2')
    assert.is(headers['ratelimit-reset'], '2')
    await ask(sim, jobs)
    assert.is((await ask(sim, jobs)).status, 429)
    assert.is((await ask(sim, jobs, { key: null })).status, 200)
    assert.is((await ask(sim, jobs, { key: null })).headers['retry-after'], '1')
  })
})

simulating('lets 400, 413 and faults cost a request of the window', { now: () => 0 }, async (sim) => {
  sim.fail({ status: 500 })
  await ask(sim, [cusipJob('037833100')])
  await ask(sim, null, { body: 'nonsense' })
  await ask(sim, Array(101).fill(cusipJob('037833100')))
  sim.fail({ status: 401 })
  assert.is((await ask(sim, [cusipJob('037833100')])).status, 401)
  assert.is((await ask(sim, [cusipJob('037833100')])).headers['ratelimit-remaining'], '21')
})

// --- faults

simulating('fails with a status so many times, then recovers', {}, async (sim) => {
  const jobs = [cusipJob('037833100', US)]
  sim.fail({ status: 500, times: 2 })
  sim.fail({ status: 503 })
  const seen = []
  for (let i = 0; i < 4; i++) seen.push(await ask(sim, jobs))
  assert.equal(
    seen.map((response) => response.status),
    [500, 500, 503, 200],
  )
  assert.is(seen[0]?.text, 'Internal server error.')
  assert.is(seen[2]?.text, 'Service Unavailable.')
  assert.is(seen[0]?.headers['content-type'], 'text/html; charset=utf-8')
  sim.fail({ status: 429, retryAfter: 7 })
  const tooMany = await ask(sim, jobs)
  assert.is(tooMany.headers['retry-after'], '7')
  assert.ok(Number(tooMany.headers['ratelimit-remaining']) > 0) // a 429 that our own count does not explain
})

simulating('resets, truncates and hangs', {}, async (sim) => {
  const jobs = [cusipJob('037833100')]
  sim.fail({ kind: 'reset' })
  const reset = await failure(ask(sim, jobs))
  assert.ok(['ECONNRESET', 'UND_ERR_SOCKET'].includes(reset.code ?? ''), reset.code)
  sim.fail({ kind: 'truncated' })
  const truncated = await failure(ask(sim, jobs))
  assert.ok(
    ['UND_ERR_SOCKET', 'ECONNRESET', 'UND_ERR_ABORTED'].includes(truncated.code ?? ''),
    truncated.code,
  )
  sim.fail({ kind: 'hang' })
  const enough = new AbortController()
  const headers = { 'content-type': 'application/json' }
  const hung = request(`${sim.url}/v3/mapping`, {
    method: 'POST',
    headers,
    body: JSON.stringify(jobs),
    signal: enough.signal,
  })
  await until('it hangs', () => sim.log.at(-1)?.fault === 'hang')
  enough.abort(new Error('enough'))
  assert.is((await failure(hung)).message, 'enough')
  assert.is((await ask(sim, jobs)).status, 200)
  assert.equal(
    sim.log.map((entry) => [entry.status, entry.fault]),
    [
      [null, 'reset'],
      [200, 'truncated'],
      [null, 'hang'],
      [200, null],
    ],
  )
})

test('closes although a request hangs', async () => {
  await withSimulator({}, async (sim) => {
    sim.fail({ kind: 'hang' })
    const hung = failure(ask(sim, [cusipJob('037833100')]))
    while (sim.log.length === 0) await new Promise((resolve) => setImmediate(resolve))
    await sim.close()
    assert.ok((await hung).code)
    await failure(ask(sim, [cusipJob('037833100')])) // nobody listens any more
  })
})

simulating('answers 200 with what is no answer', {}, async (sim) => {
  const jobs = [cusipJob('037833100', US), cusipJob('459200101', US)]
  sim.fail({ kind: 'html' })
  const html = await ask(sim, jobs)
  assert.is(html.status, 200)
  assert.is(html.headers['content-type'], 'text/html; charset=utf-8')
  sim.fail({ kind: 'notJson' })
  const notJson = await ask(sim, jobs)
  assert.is(notJson.headers['content-type'], 'application/json; charset=utf-8')
  assert.throws(notJson.answers, (error: unknown) => error instanceof SyntaxError)
  sim.fail({ kind: 'emptyBody' })
  assert.is((await ask(sim, jobs)).text, '')
  sim.fail({ kind: 'wrongLength' })
  sim.fail({ kind: 'wrongLength', by: 1 })
  assert.is((await ask(sim, jobs)).answers().length, 1)
  assert.is((await ask(sim, jobs)).answers().length, 3)
  sim.fail({ kind: 'jobErrors', message: 'Down.' })
  assert.equal((await ask(sim, jobs)).answers(), [{ error: 'Down.' }, { error: 'Down.' }])
  sim.fail({ kind: 'html', status: 502, body: '<h1>Bad gateway</h1>' })
  assert.is((await ask(sim, jobs)).status, 502)
})

simulating('drips the right answer slowly', {}, async (sim) => {
  const jobs = [cusipJob('037833100')]
  const quick = await ask(sim, jobs)
  sim.fail({ kind: 'slowDrip', overMs: 60 })
  const started = performance.now()
  const slow = await ask(sim, jobs)
  assert.ok(performance.now() - started >= 50)
  assert.is(slow.text, quick.text)
})

simulating('faults can be aimed, can be likely, and can be cleared', {}, async (sim) => {
  const status = async (job: unknown) => (await ask(sim, [job], { key: String(Math.random()) })).status
  sim.fail({ status: 500, match: (jobs) => jobs.some((job) => job.idType === 'ID_ISIN') })
  sim.fail({ status: 503, idValues: ['459200101'] })
  sim.fail({ status: 502, filtered: true })
  assert.is(await status(cusipJob('037833100')), 200)
  assert.is(await status(cusipJob('037833100', US)), 502)
  assert.is(await status(cusipJob('459200101')), 503)
  assert.is(await status(isinJob('US0378331005')), 500)
  assert.is(sim.pendingFaults(), 0)

  sim.fail({ status: 500, probability: 0.5 })
  let failed = 0
  for (let i = 0; i < 200; i++) if ((await status(cusipJob('037833100', US))) === 500) failed++
  assert.ok(failed > 70 && failed < 130, String(failed))
  sim.clearFaults()
  for (let i = 0; i < 20; i++) assert.is(await status(cusipJob('037833100', US)), 200)
  assert.throws(() => sim.fail({ times: 1 }), TypeError)
})

// --- the log, latency and remote control

simulating('logs what was asked, and of a key its fingerprint only', { now: () => 42 }, async (sim) => {
  await ask(sim, [cusipJob('037833100', US), cusipJob('000000000'), cusipJob('1')], { key: 'my-secret-key' })
  await ask(sim, [isinJob('US0378331005')], { key: null })
  await ask(sim, [], { key: 'INVALID' })
  const [filtered, plain, refused] = sim.log
  assert.is(filtered?.at, 42)
  assert.ok(Math.abs(Date.parse(filtered?.date ?? '') - Date.now()) < 10_000)
  assert.match(filtered?.key ?? '', /^[0-9a-f]{8}$/)
  assert.is(plain?.key, 'none')
  assert.not.ok(JSON.stringify(sim.log).includes('my-secret-key'))
  assert.equal(filtered?.jobs[0], { idType: 'ID_CUSIP', idValue: '037833100', exchCode: 'US' })
  assert.equal([filtered?.found, filtered?.warnings, filtered?.errors, filtered?.jobCount], [1, 1, 1, 3])
  assert.equal([filtered?.counted, refused?.counted, refused?.status], [true, false, 401])
  assert.equal(sim.filteredRequests(), [filtered])
  assert.equal(sim.requestsFor('US0378331005'), [plain])
  assert.equal(sim.countByStatus(), { 200: 2, 401: 1 })
  assert.equal(sim.summary().jobs, 4)
  sim.reset()
  assert.is(sim.log.length, 0)
})

test('finds the busiest stretch of the log', async () => {
  let clock = 0
  await withSimulator({ now: () => clock }, async (sim) => {
    for (const at of [0, 5, 10, 10, 14, 20]) {
      clock = at
      await ask(sim, [cusipJob('037833100', US)])
    }
    assert.is(sim.maxInWindow(10), 4) // 5, 10, 10, 14; the end of the stretch does not belong to it
    assert.is(sim.maxInWindow(14), 4)
    assert.is(sim.maxInWindow(15), 5) // 0, 5, 10, 10, 14
    assert.is(sim.maxInWindow(1), 2)
    assert.is(sim.maxInWindow(1000), 6)
  })
})

simulating('keeps counts instead of jobs where told to', { logJobs: false }, async (sim) => {
  await ask(sim, [cusipJob('037833100', US)])
  assert.equal(sim.log[0]?.jobs, [])
  assert.is(sim.log[0]?.jobCount, 1)
  assert.is(sim.filteredRequests().length, 1)
})

simulating('waits for as long as the latency says', { latencyMs: 40 }, async (sim) => {
  const timed = async () => {
    const started = performance.now()
    await ask(sim, [cusipJob('037833100', US)])
    return performance.now() - started
  }
  assert.ok((await timed()) >= 35)
  let calls = 0
  sim.setLatency(() => calls++)
  await timed()
  assert.is(calls, 1)
})

simulating('obeys other processes over HTTP', {}, async (sim) => {
  const control = async (method: 'GET' | 'POST' | 'DELETE', command: string, body?: unknown) => {
    const text = body === undefined ? null : JSON.stringify(body)
    const response = await request(`${sim.url}/_simulator/${command}`, { method, body: text })
    return { status: response.statusCode, json: (await response.body.json()) as Record<string, unknown> }
  }
  const jobs = [cusipJob('037833100', US)]
  for (let i = 0; i < 30; i++) assert.is((await control('GET', 'log')).status, 200) // never limited, never logged
  assert.is(sim.log.length, 0)
  assert.equal((await control('POST', 'faults', [{ status: 503 }, { kind: 'emptyBody' }])).json, {
    pending: 2,
  })
  assert.is((await ask(sim, jobs)).status, 503)
  assert.is((await ask(sim, jobs)).text, '')
  await control('POST', 'faults', { status: 500, times: 9, idValues: ['037833100'] })
  assert.equal((await control('DELETE', 'faults')).json, { pending: 0 })
  await control('POST', 'rename', { idValue: '037833100', ticker: 'APPL' })
  assert.is((await listings(sim, jobs[0]))[0]?.ticker, 'APPL')
  await control('POST', 'set', { idValue: '037833100', answer: 'unknown' })
  assert.equal(await listings(sim, jobs[0]), [])
  await control('POST', 'poison', { idValue: '037833100' })
  assert.is((await ask(sim, jobs)).status, 400)
  const { json } = await control('GET', 'log')
  assert.is((json.entries as unknown[]).length, 5)
  assert.equal(json.summary, sim.summary())
  assert.equal((await control('POST', 'latency', { latencyMs: 1 })).json, { latencyMs: 1 })
  assert.is((await control('POST', 'latency', {})).status, 400)
  assert.is((await control('POST', 'faults', { kind: 'flood' })).status, 400)
  assert.is((await control('GET', 'nothing')).status, 400)
  await control('POST', 'reset')
  assert.is(sim.log.length, 0)
  assert.is((await listings(sim, jobs[0]))[0]?.ticker, 'AAPL')
})

simulating('is quick', { limit: { requests: 9999, windowMs: 1000 } }, async (sim) => {
  const jobs = (from: number, filters: object) =>
    Array.from({ length: 100 }, (_, n) => cusipJob(makeCusip(from + n), filters))
  for (const filters of [US, {}]) {
    for (let i = 0; i < 10; i++) await ask(sim, jobs(i * 100, filters))
    const started = performance.now()
    for (let i = 10; i < 50; i++) await ask(sim, jobs(i * 100, filters))
    const each = (performance.now() - started) / 40
    if (process.env.SHOW_TIMES) console.log(filters, `${each.toFixed(2)} ms for 100 jobs`)
    assert.ok(each < 500, `${each} ms`) // a bound for slow machines; about 1 and 5 ms are usual
  }
})

// --- recorded traffic and the program

test('replays recorded traffic', async () => {
  const recorded = replayRecorded(recordedFolder())
  if (!recorded) {
    console.log('SKIPPED: no recorded traffic at hand (PGFIGI_RECORDED names its folder)')
    return
  }
  await withSimulator({ universe: { recorded } }, async (sim) => {
    const ibm = await listings(sim, isinJob('US4592001014'))
    assert.equal({ data: ibm }, recorded.bodies.get('isin_example')?.[0])
    assert.is(ibm.length, 198)
    for (const listing of ibm) {
      assert.equal(Object.keys(listing), TEN_KEYS)
      assert.is(listing.figi.at(11), figiCheckDigit(listing.figi))
    }
    assert.equal(
      (await ask(sim, [cusipJob('459200101', US)])).answers(),
      recorded.bodies.get('cusip_with_exchange'),
    )
    assert.is((await listings(sim, cusipJob('594918104', US)))[0]?.ticker, 'MSFT') // the rest as ever
    let compared = 0
    for (const { name, request, response } of recorded.exchanges.values()) {
      const path = new URL(request.url).pathname
      if (response.status === 200 && path !== '/v3/mapping') continue // not simulated
      const ours = await ask(sim, request.bodyJson ?? null, {
        key: request.headers['x-openfigi-apikey'] ?? null,
        method: request.method as 'GET' | 'POST',
        path,
      })
      assert.is(ours.status, response.status, name)
      if (response.bodyJson) assert.equal(ours.answers(), response.bodyJson as WireAnswer[], name)
      else assert.is(ours.text, response.bodyText, name)
      for (const header of ['content-type', 'ratelimit-limit', 'ratelimit-policy']) {
        assert.is(ours.headers[header], response.headers[header], `${name}: ${header}`)
      }
      compared++
    }
    assert.ok(compared >= 4)
  })
})

test('has nothing to replay where there is no folder', () => {
  assert.is(replayRecorded(null), null)
  assert.is(replayRecorded('/nowhere/at/all'), null)
})

test('runs as a program and ends on SIGTERM and SIGINT', async () => {
  const main = join(import.meta.dirname, '../support/simulator_main.ts')
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const flags = ['--port', '0', '--limit', '1/61200ms', '--latency', '1', '--unknown-share', '0']
    const child = spawn(process.execPath, [main, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] })
    const exited = once(child, 'exit')
    const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
    const url = /^listening (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(line)?.[1] ?? ''
    const one = () => ask({ url } as Simulator, [cusipJob('037833100', US)])
    assert.is((await one()).headers['ratelimit-policy'], '1;w=62')
    assert.is((await one()).status, 429)
    child.kill(signal)
    assert.equal(await exited, [0, null])
  }
  const wrong = spawn(process.execPath, [main, '--limit', 'much'], { stdio: 'ignore' })
  assert.equal(await once(wrong, 'exit'), [2, null])
})

test.run()
