import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OpenFigiResponseError } from '../../src/errors/openfigi_response_error.ts'
import { readAnswers } from '../../src/openfigi/answer_schema.ts'
import fc from '../support/fast_check.ts'
import { listing } from '../support/listings.ts'

const readOne = (element: unknown, secret?: string) => readAnswers([element], 1, secret)[0]

function messageOf(element: unknown, secret?: string): string {
  const answer = readOne(element, secret)
  assert.is(answer?.kind, 'error', JSON.stringify(element))
  return answer?.kind === 'error' ? answer.message : ''
}

test('listings come through as they are', () => {
  assert.equal(readOne({ data: [listing()] }), { kind: 'listings', listings: [listing()] })
})

test('unknown keys are dropped, missing ones become null, and so do blank ones', () => {
  const answer = readOne({
    data: [{ figi: 'BBG000B9XRY4', ticker: '  ', name: ' X ', metadata: 'new', x: { y: 1 } }],
    extra: 1,
  })
  const empty = Object.fromEntries(Object.keys(listing()).map((key) => [key, null]))
  assert.equal(answer, { kind: 'listings', listings: [{ ...empty, figi: 'BBG000B9XRY4', name: 'X' }] })
})

test('"No identifier found", with or without a full stop, is the only negative', () => {
  assert.equal(readOne({ warning: 'No identifier found.' }), { kind: 'none' })
  assert.equal(readOne({ warning: 'No identifier found' }), { kind: 'none' })
})

test('another warning is an error, never a negative', () => {
  assert.match(messageOf({ warning: 'The service is degraded.' }), /The service is degraded/)
  for (const warning of [
    '',
    'No identifier found yet',
    'no identifier found',
    'No identifier found..',
    'Identifier found.',
  ]) {
    messageOf({ warning })
  }
})

test('an error for the job is an error, also beside a warning', () => {
  assert.match(messageOf({ error: 'Invalid idValue format.' }), /Invalid idValue format\./)
  messageOf({ error: 'Invalid idValue format.', warning: 'No identifier found.' })
  messageOf({ error: '' })
})

test('an empty list is no negative', () => {
  assert.match(messageOf({ data: [] }), /empty/)
  messageOf({ data: [], warning: 'No identifier found.' })
})

test('whatever is none of the three is an error for its own job only', () => {
  for (const element of [
    null,
    1,
    'x',
    [],
    {},
    { date: [] },
    { data: null },
    { data: 'x' },
    { data: {} },
    { error: 5 },
  ]) {
    assert.match(messageOf(element), /malformed/)
  }
  assert.equal(
    readAnswers([{ warning: 'No identifier found.' }, 7, { data: [listing()] }], 3).map(({ kind }) => kind),
    ['none', 'error', 'listings'],
  )
})

test('a listing without a FIGI, or with a field that is no text, is an error', () => {
  for (const bad of [
    { ...listing(), figi: undefined },
    { ...listing(), figi: ' ' },
    { figi: null },
    { ...listing(), ticker: 5 },
    5,
  ]) {
    messageOf({ data: [listing(), bad] })
  }
})

test('text that Postgres cannot store is an error', () => {
  messageOf({ data: [listing({ name: 'A\0B' })] })
  messageOf({ data: [listing({ ticker: '\ud800' })] })
})

test('a ticker has no more than a hundred characters, and none that nobody sees', () => {
  for (const ticker of ['T'.repeat(101), 'A\tB', 'A\u001b[31m', '\u200bA', 'A\u202eB', 'A\u2028B']) {
    assert.match(messageOf({ data: [listing({ ticker })] }), /in a listing \(ticker\)/)
  }
  const answer = readOne({ data: [listing({ ticker: ` ${'T'.repeat(100)}\n`, name: 'A\tB\n C' })] })
  assert.is(answer?.kind === 'listings' && answer.listings[0]?.ticker, 'T'.repeat(100))
  assert.is(answer?.kind === 'listings' && answer.listings[0]?.name, 'A B C')
})

test('listings beside the word that there are none are an error, and so are more than anybody has', () => {
  messageOf({ data: [listing()], warning: 'No identifier found.' })
  messageOf({ data: Array.from({ length: 10_001 }, () => listing()) })
})

test('a message quotes at most 200 characters, in one line, without what cannot be stored', () => {
  const message = messageOf({ error: `\0a\nb\ud83d${'\u{1F4C8}'.repeat(5000)}` })
  assert.ok(message.length <= 'OpenFIGI says: '.length + 200, String(message.length))
  assert.ok(message.isWellFormed())
  assert.match(message, /^OpenFIGI says: a b/)
  assert.ok(messageOf({ junk: 'x'.repeat(5000) }).length < 250)
})

test('a message never repeats the secret', () => {
  assert.not.match(messageOf({ error: 'key s3cret-key is odd' }, 's3cret-key'), /s3cret/)
  assert.not.match(messageOf({ junk: 's3cret-key' }, 's3cret-key'), /s3cret/)
})

test('an answer that is no array, or not one element a job, fails as a whole', () => {
  for (const body of [null, {}, 'x', 1, { data: [] }, [], [{ data: [] }], [1, 2, 3]]) {
    assert.throws(
      () => readAnswers(body, 2),
      (error: unknown) => error instanceof OpenFigiResponseError && error.retryable,
    )
  }
  assert.throws(() => readAnswers([1], 2), /1 answers to 2 jobs/)
})

test('no element makes it throw, and none but the warning is a negative', () => {
  const element = fc.oneof(
    fc.jsonValue(),
    fc.record({ data: fc.jsonValue(), warning: fc.string(), error: fc.jsonValue() }, { requiredKeys: [] }),
  )
  fc.assert(
    fc.property(element, (value) => {
      assert.is.not(readOne(value)?.kind, 'none')
    }),
  )
})

test.run()
