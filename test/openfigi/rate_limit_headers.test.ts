import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  longestWaitMs,
  ratelimitRemaining,
  ratelimitResetMs,
  readRateLimit,
  retryAfterMs,
} from '../../src/openfigi/rate_limit_headers.ts'
import fc from '../support/fast_check.ts'

const now = Date.UTC(2025, 9, 3, 11, 14, 48)

test('retry-after in seconds becomes milliseconds', () => {
  assert.is(retryAfterMs('58', now), 58_000)
  assert.is(retryAfterMs(' 0 ', now), 0)
  assert.is(retryAfterMs('1.5', now), 1500)
})

test('retry-after as an HTTP date is what is left until then, and nothing once it has passed', () => {
  assert.is(retryAfterMs('Fri, 03 Oct 2025 11:15:18 GMT', now), 30_000)
  assert.is(retryAfterMs('Friday, 03-Oct-25 11:15:18 GMT', now), 30_000)
  assert.is(retryAfterMs('Fri, 03 Oct 2025 11:00:00 GMT', now), 0)
})

test('a date is compared with the clock of the server that says it, where ours is wrong', () => {
  const headers = { date: 'Fri, 03 Oct 2025 11:14:48 GMT', 'retry-after': 'Fri, 03 Oct 2025 11:15:18 GMT' }
  assert.is(readRateLimit(headers, now - 3_600_000).retryAfterMs, 30_000)
})

test('ratelimit-reset is the seconds left, not an epoch', () => {
  assert.is(ratelimitResetMs('32'), 32_000)
})

test('ratelimit-remaining is a count', () => {
  assert.is(ratelimitRemaining('0'), 0)
  assert.is(ratelimitRemaining('24'), 24)
})

test('absurd values are capped at ten minutes', () => {
  assert.is(longestWaitMs, 600_000)
  assert.is(retryAfterMs('86400', now), longestWaitMs)
  assert.is(retryAfterMs('Fri, 03 Oct 2036 11:14:48 GMT', now), longestWaitMs)
  assert.is(ratelimitResetMs('1759490088'), longestWaitMs)
})

test('garbage is ignored', () => {
  for (const garbage of [
    '',
    ' ',
    '-1',
    'soon',
    'NaN',
    'Infinity',
    '1e9',
    '0x10',
    '12 s',
    'in 3 minutes',
    '1,2',
    'Fri',
  ]) {
    assert.is(retryAfterMs(garbage, now), null, garbage)
    assert.is(ratelimitResetMs(garbage), null, garbage)
    assert.is(ratelimitRemaining(garbage), null, garbage)
  }
  assert.is(retryAfterMs('Fri, 99 Foo 2025 11:15:18 GMT', now), null)
  assert.is(retryAfterMs(undefined, now), null)
  assert.is(retryAfterMs(['1', '2'], now), null)
})

test('the headers of recorded answers are read as they are', () => {
  const headers = { 'ratelimit-limit': '25', 'ratelimit-remaining': '18', 'ratelimit-reset': '32' }
  assert.equal(readRateLimit(headers, now), { retryAfterMs: null, remaining: 18, resetMs: 32_000 })
  assert.equal(readRateLimit({}, now), { retryAfterMs: null, remaining: null, resetMs: null })
})

test('whatever the header, a wait is null or between nothing and the cap', () => {
  const header = fc.oneof(
    fc.string(),
    fc.integer().map(String),
    fc.double().map(String),
    fc.date().map(String),
  )
  fc.assert(
    fc.property(header, (value) => {
      for (const wait of [retryAfterMs(value, now), ratelimitResetMs(value)]) {
        assert.ok(wait === null || (wait >= 0 && wait <= longestWaitMs), String(wait))
      }
    }),
  )
})

test.run()
