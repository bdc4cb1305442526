import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { OpenFigiResponseError } from '../../src/errors/openfigi_response_error.ts'
import { readAnswers } from '../../src/openfigi/answer_schema.ts'
import { faultyElements } from '../../src/openfigi/answer_survey.ts'
import { chooseListing, type Listing, mostAlternatives } from '../../src/openfigi/listing.ts'
import { quote } from '../../src/openfigi/quote.ts'
import { longestWaitMs, readRateLimit } from '../../src/openfigi/rate_limit_headers.ts'
import { withoutSecret } from '../../src/openfigi/redact.ts'
import { amount, isAtLength } from '../support/at_length.ts'
import fc from '../support/fast_check.ts'
import { figure } from '../support/figure.ts'
import { listing } from '../support/listings.ts'
import { oddJson, oddListings, oddWarnings, oddWords } from '../support/odd_json.ts'

const test = suite('answers of any shape')

let cases = 0

interface Share {
  /** Of a hundred thousand cases: most of them of what is cheap to try. */
  readonly inShort: number
  /** Of a million. */
  readonly atLength: number
}

/** Many cases of a rule; a failure tells the case and how to repeat it. */
function holds<T>({ inShort, atLength }: Share, arbitrary: fc.Arbitrary<T>, rule: (value: T) => void): void {
  const numRuns = Math.round(amount(100_000 * inShort, 1_000_000 * atLength))
  cases += numRuns
  fc.assert(fc.property(arbitrary, rule), { numRuns })
}

const read = (text: string, jobs: number) =>
  readAnswers(JSON.parse(text), jobs, undefined, () => faultyElements(text))

/** What may be stored, and shown on a terminal. */
const isPlain = (text: string | null) => text === null || /^[^\p{Cc}\p{Cs}]{1,1000}$/u.test(text)

test('are listings fit to be stored, a negative in just these words, or an error', () => {
  holds({ inShort: 0.1, atLength: 0.46 }, fc.oneof(oddJson, oddListings, oddWarnings), (element) => {
    const [answer] = read(`[${element}]`, 1)
    if (answer?.kind === 'error') {
      assert.ok(isPlain(answer.message), answer.message)
    } else if (answer?.kind === 'listings') {
      assert.ok(answer.listings.length > 0)
      for (const one of answer.listings) {
        assert.ok(one.figi.length > 0 && Object.values(one).every(isPlain), element)
        assert.ok(!/[\p{C}]/u.test(one.ticker ?? ''), element)
      }
      assert.is(JSON.parse(element).error ?? null, null)
    } else {
      assert.match(element, /"warning":" ?No identifier found\.?/)
      const { error = null, data = null } = JSON.parse(element)
      assert.equal([error, data], [null, null])
    }
  })
  assert.is(({} as Record<string, unknown>).data, undefined, 'no prototype is changed')
})

test('as a whole are one answer a job, or none is taken', () => {
  holds(
    { inShort: 0.05, atLength: 0.14 },
    fc.tuple(oddJson, fc.integer({ min: 1, max: 3 })),
    ([text, jobs]) => {
      const body = JSON.parse(text)
      try {
        assert.is(read(text, jobs).length, jobs)
        assert.ok(Array.isArray(body) && body.length === jobs)
      } catch (error) {
        assert.instance(error, OpenFigiResponseError)
        assert.ok(isPlain((error as Error).message))
      }
    },
  )
})

const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null })
const anyListing: fc.Arbitrary<Listing> = fc
  .record({
    figi: fc.constantFrom('A', 'B', 'C', 'D', 'E'),
    ticker: maybe(fc.constantFrom('X', 'Y', 'Z')),
    exchCode: maybe(fc.constantFrom('US', 'UN', 'GR', 'GY', 'LN')),
    compositeFIGI: maybe(fc.constantFrom('A', 'B')),
    shareClassFIGI: maybe(fc.constantFrom('S', 'T')),
    securityType: maybe(fc.constantFrom('Common Stock', 'ADR', 'REIT', 'ETP', 'Bond')),
    marketSector: maybe(fc.constantFrom('Equity', 'Corp')),
  })
  .map((fields) => listing(fields))

test('have one listing that is chosen, whatever their order', () => {
  const context = {
    preference: ['US', 'home', 'any'],
    identifier: { type: 'ISIN', value: 'DE0007164600' },
  } as const
  const several = fc.array(anyListing, { maxLength: 6 })
  holds({ inShort: 0.15, atLength: 0.14 }, fc.tuple(several, fc.nat(5)), ([listings, turn]) => {
    const turned = [...listings.slice(turn), ...listings.slice(0, turn)].reverse()
    const choice = chooseListing(listings, context)
    assert.equal(chooseListing(turned, context), choice)
    assert.is(
      choice === null,
      listings.every(({ ticker }) => ticker === null),
    )
    if (!choice) return
    assert.ok(listings.includes(choice.listing))
    assert.ok(choice.alternatives.length <= mostAlternatives && !choice.alternatives.includes(choice.listing))
  })
})

test('are quoted in one short line without the secret, wherever it stands', () => {
  const secret = 'canary-secret'
  const piece = fc.oneof(
    oddWords,
    fc.constantFrom(
      secret,
      'postgres://me:pass@host',
      ' '.repeat(4080),
      'y'.repeat(4090),
      '\u{1F4C8}'.repeat(99),
    ),
    fc.string({ unit: 'binary', maxLength: 8 }),
  )
  holds({ inShort: 0.2, atLength: 0.14 }, fc.array(piece, { maxLength: 5 }), (pieces) => {
    const line = quote(pieces.join(''), secret)
    assert.ok(line.length <= 200 && line.isWellFormed() && !/\p{Cc}/u.test(line))
    assert.not.match(line, /canary-s|me:pass/)
    const error = withoutSecret(new Error(pieces.join('')), secret) as Error
    assert.not.match(error.message, /canary-secret/)
  })
})

test('have headers that ask for a wait between nothing and ten minutes, or for none', () => {
  const header = fc.oneof(
    fc.constantFrom(
      '58',
      '0',
      '-1',
      '1e9',
      '1.5',
      '99999999999',
      'Fri, 03 Oct 2025 11:15:18 GMT',
      'Mon, 99 Foo 0000 99:99:99',
    ),
    fc.string({ maxLength: 12 }),
    fc.date({ noInvalidDate: false }).map(String),
    fc.array(fc.string({ maxLength: 3 }), { maxLength: 2 }),
    fc.constant(undefined),
  )
  const headers = fc.record({
    'retry-after': header,
    'ratelimit-remaining': header,
    'ratelimit-reset': header,
    date: header,
  })
  holds({ inShort: 0.5, atLength: 0.14 }, headers, (given) => {
    const { retryAfterMs, resetMs, remaining } = readRateLimit(given, 1_760_000_000_000)
    for (const wait of [retryAfterMs, resetMs]) {
      assert.ok(wait === null || (wait >= 0 && wait <= longestWaitMs), JSON.stringify(given))
    }
    assert.ok(remaining === null || (Number.isSafeInteger(remaining) && remaining >= 0))
  })
})

test('may be nested as deep as they like', () => {
  for (const depth of [1000, 100_000, ...(isAtLength ? [1_000_000] : [])]) {
    for (const [open, close] of [
      ['[', ']'],
      ['{"data":', '}'],
      ['{"a":[', ']}'],
    ] as const) {
      const deep = `${open.repeat(depth)}1${close.repeat(depth)}`
      const text = `[${deep},{"warning":"No identifier found."},{"data":[{"figi":"A","ticker":"T","metadata":${deep}}]}]`
      assert.equal(
        read(text, 3).map(({ kind }) => kind),
        ['error', 'none', 'error'],
      )
      assert.throws(
        () => read(deep, 2),
        (error: unknown) => error instanceof OpenFigiResponseError,
      )
    }
  }
})

test('with a key twice are an error, also where it is written in another way', () => {
  for (const element of [
    '{"error":"down","error":null,"warning":"No identifier found."}',
    '{"\\u0065rror":"down","error":null,"warning":"No identifier found."}',
    '{"warning" : "degraded" , "warning"\n:"No identifier found."}',
    '{"data":[{"figi":"A","ticker":"X","name":"a\\"b:","ticker":"Y"}]}',
    '{"data":[],"data":[{"figi":"A","ticker":"X"}]}',
  ]) {
    assert.equal(
      read(`[{"warning":"No identifier found."},${element},{"data":[{"figi":"A","ticker":"X"}]}]`, 3).map(
        ({ kind }) => kind,
      ),
      ['none', 'error', 'listings'],
      element,
    )
  }
  figure(`${cases.toLocaleString('en')} made-up answers, headers and texts`)
})

test.run()
