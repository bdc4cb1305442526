import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Identifier } from '../../src/identifiers.ts'
import { type Answer, readAnswers } from '../../src/openfigi/answer_schema.ts'
import { chooseListing } from '../../src/openfigi/listing.ts'
import { readRateLimit } from '../../src/openfigi/rate_limit_headers.ts'

const folder = new URL('../../../shared/data/openfigi/recorded/', import.meta.url)
const ibm: Identifier = { type: 'ISIN', value: 'US4592001014' }
const preference = ['US', 'home', 'any']

/** The parsed content of a recorded file, or null, and a word about it, where it is not there. */
function recorded(name: string) {
  const file = new URL(name, folder)
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'))
  console.log(`skipped: no recorded traffic beside the repository (${name})`)
  return null
}

test('every recorded mapping answer is understood', () => {
  if (!recorded('body_isin_example.json')) return
  let listings = 0
  for (const name of readdirSync(folder)) {
    const file = recorded(name)
    const body = file.response ? file.response.bodyJson : file
    if (!Array.isArray(body) || name.startsWith('values')) continue
    for (const [i, answer] of readAnswers(body, body.length).entries()) {
      if (answer.kind === 'listings') {
        assert.equal(answer.listings, body[i].data, name)
        listings += answer.listings.length
      } else {
        assert.is(answer.kind, 'error', name)
        assert.match((answer as Answer & { kind: 'error' }).message, /Invalid/)
      }
    }
  }
  assert.ok(listings > 500)
})

test("of IBM's 198 listings with 21 tickers the US composite is the choice, without rivals", () => {
  const body = recorded('body_isin_example.json')
  if (!body) return
  const [answer] = readAnswers(body, 1)
  assert.is(answer?.kind, 'listings')
  if (answer?.kind !== 'listings') return
  assert.is(answer.listings.length, 198)
  const choice = chooseListing(answer.listings, { preference, identifier: ibm })
  assert.equal([choice?.listing.figi, choice?.listing.ticker], ['BBG000BLNNH6', 'IBM'])
  assert.equal(choice?.alternatives, [])
  const abroad = answer.listings.filter(({ compositeFIGI }) => compositeFIGI !== 'BBG000BLNNH6')
  const elsewhere = chooseListing(abroad, { preference, identifier: ibm })
  assert.is(elsewhere?.listing.compositeFIGI, elsewhere?.listing.figi)
  assert.ok((elsewhere?.alternatives.length ?? 0) > 0)
})

test('the recorded rate limit headers are understood', () => {
  const traffic = recorded('mapping_ticker_us.json')
  if (!traffic) return
  assert.equal(readRateLimit(traffic.response.headers, 0), {
    retryAfterMs: null,
    remaining: 18,
    resetMs: 32_000,
  })
})

test.run()
