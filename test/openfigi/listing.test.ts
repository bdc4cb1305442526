import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Identifier } from '../../src/identifiers.ts'
import { chooseListing, type Listing, mostAlternatives } from '../../src/openfigi/listing.ts'
import fc from '../support/fast_check.ts'
import { composite, listing, venue } from '../support/listings.ts'

const apple: Identifier = { type: 'CUSIP', value: '037833100' }
const sap: Identifier = { type: 'ISIN', value: 'DE0007164600' }
const preference = ['US', 'home', 'any']

function choose(listings: Listing[], identifier = apple, markets = preference) {
  const choice = chooseListing(listings, { preference: markets, identifier })
  return choice && { figi: choice.listing.figi, rivals: choice.alternatives.map(({ ticker }) => ticker) }
}

test('a single US composite is the choice, without alternatives', () => {
  assert.equal(choose([listing()]), { figi: 'BBG000B9XRY4', rivals: [] })
})

test('the market comes first, in the order of preference: US, then home, then any', () => {
  const us = composite('US', 'SAP', 'F9')
  const home = composite('GR', 'SAPG', 'F8')
  const other = composite('AV', 'SAPA', 'F1')
  assert.is(choose([other, home, us], sap)?.figi, 'F9')
  assert.is(choose([other, home], sap)?.figi, 'F8')
  assert.is(choose([other], sap)?.figi, 'F1')
  assert.is(choose([us, home, other], sap, ['home', 'any'])?.figi, 'F8')
  assert.is(choose([us, home, other], sap, ['AV', 'any'])?.figi, 'F1')
})

test('a market beats a kind: a fund in the US before common stock elsewhere', () => {
  const fund = composite('US', 'EWG', 'F2', { securityType: 'ETP', securityType2: 'Mutual Fund' })
  assert.is(choose([composite('GR', 'X', 'F1'), fund], sap)?.figi, 'F2')
})

test('within a market the composite comes before its venues, whatever their FIGIs', () => {
  assert.is(choose([venue('UW', 'AAPL', 'F1', 'F9'), composite('US', 'AAPL', 'F9')])?.figi, 'F9')
})

test('a venue counts as its market where the composite is there to say so', () => {
  const listings = [
    composite('GR', 'SAP', 'F9', { ticker: null }),
    venue('GY', 'SAP', 'F5', 'F9'),
    composite('AV', 'SAPA', 'F1'),
  ]
  assert.is(choose(listings, sap)?.figi, 'F5')
})

test('a venue of the US is known as such, even alone', () => {
  assert.is(choose([venue('UN', 'IBM', 'F5', 'F0'), composite('LN', 'IBM', 'F1')])?.figi, 'F5')
})

test('a venue may itself be preferred', () => {
  const listings = [
    composite('US', 'IBM', 'F1'),
    venue('UN', 'IBM', 'F5', 'F1'),
    venue('UA', 'IBM', 'F3', 'F1'),
  ]
  assert.is(choose(listings, apple, ['UN', 'US', 'any'])?.figi, 'F5')
})

test('then common stock, depositary receipt, REIT, fund, anything else, debt', () => {
  const kinds: [string, string, string][] = [
    ['Common Stock', 'Common Stock', 'Equity'],
    ['ADR', 'Depositary Receipt', 'Equity'],
    ['REIT', 'REIT', 'Equity'],
    ['ETP', 'Mutual Fund', 'Equity'],
    ['Equity WRT', 'Warrant', 'Equity'],
    ['US DOMESTIC', 'Corp', 'Corp'],
  ]
  const listings = kinds.map(([securityType, securityType2, marketSector], i) =>
    composite('US', `T${i}`, `F${9 - i}`, { securityType, securityType2, marketSector }),
  )
  while (listings.length > 0) {
    assert.equal(choose(listings.toReversed()), { figi: listings[0]?.figi ?? '', rivals: [] })
    listings.shift()
  }
})

test('the type is told from securityType, or else from securityType2', () => {
  const common = composite('US', 'C', 'F9', { securityType: 'NY Reg Shrs', securityType2: 'Common Stock' })
  const gdr = composite('US', 'G', 'F5', { securityType: 'GDR', securityType2: null })
  const reit = composite('US', 'R', 'F4', { securityType: null, securityType2: 'REIT' })
  const closedEnd = composite('US', 'E', 'F1', { securityType: 'Closed-End Fund', securityType2: null })
  assert.is(choose([closedEnd, reit, gdr, common])?.figi, 'F9')
  assert.is(choose([closedEnd, reit, gdr])?.figi, 'F5')
  assert.is(choose([closedEnd, reit])?.figi, 'F4')
})

test('debt without an exchange is the last resort, and a choice all the same', () => {
  const bond = listing({
    figi: 'F1',
    ticker: 'T 3 3/4 02/28/33',
    exchCode: null,
    compositeFIGI: null,
    shareClassFIGI: null,
    marketSector: 'Govt',
    securityType: 'US GOVERNMENT',
    securityType2: 'Note',
  })
  assert.equal(choose([bond]), { figi: 'F1', rivals: [] })
  assert.is(
    choose([bond, venue('XD', 'ABC', 'F9', 'F8', { securityType: 'Other', securityType2: null })])?.figi,
    'F9',
  )
  assert.equal(choose([{ ...bond, figi: 'F2', ticker: 'T 3 3/4 02/28/34' }, bond]), {
    figi: 'F1',
    rivals: ['T 3 3/4 02/28/34'],
  })
})

test('what is on an exchange, even as a venue abroad, comes before what is on none, even as a composite', () => {
  const unlisted = composite('US', 'A', 'F1', { exchCode: null })
  assert.is(choose([unlisted, venue('GY', 'B', 'F5', 'F9')])?.figi, 'F5')
})

test('ties go to the smallest FIGI, and what ties with another ticker is a rival', () => {
  const listings = [composite('US', 'B', 'F2'), composite('US', 'A', 'F3'), composite('US', 'C', 'F1')]
  assert.equal(choose(listings), { figi: 'F1', rivals: ['B', 'A'] })
})

test('what ties with the same ticker is a rival only where the share class is known to differ', () => {
  const chosen = composite('US', 'A', 'F1', { shareClassFIGI: 'S1' })
  const same = composite('US', 'A', 'F2', { shareClassFIGI: 'S1' })
  const unknown = composite('US', 'A', 'F3', { shareClassFIGI: null })
  const other = composite('US', 'A', 'F4', { shareClassFIGI: 'S2' })
  const choice = chooseListing([other, unknown, same, chosen], { preference, identifier: apple })
  assert.equal(
    choice?.alternatives.map(({ figi }) => figi),
    ['F4'],
  )
})

test('what is worse by market, composite or kind is no rival', () => {
  const listings = [
    composite('US', 'A', 'F1'),
    composite('LN', 'B', 'F2'),
    venue('UN', 'C', 'F3', 'F1'),
    composite('US', 'D', 'F4', { securityType: 'ETP', securityType2: 'Mutual Fund' }),
  ]
  assert.equal(choose(listings), { figi: 'F1', rivals: [] })
})

test('one rival stands for all with its ticker and share class, and they are at most twenty', () => {
  const twice = [composite('US', 'A', 'F1'), composite('US', 'B', 'F3'), composite('US', 'B', 'F2')]
  assert.equal(
    chooseListing(twice, { preference, identifier: apple })?.alternatives.map(({ figi }) => figi),
    ['F2'],
  )
  const many = Array.from({ length: 99 }, (_, i) => composite('US', `T${i}`, `F${100 + i}`))
  const choice = chooseListing(many, { preference, identifier: apple })
  assert.is(choice?.alternatives.length, mostAlternatives)
  assert.is(choice?.alternatives[0]?.figi, 'F101')
})

test('a listing without a ticker is passed over, and where none has one there is no choice', () => {
  const nameless = composite('US', 'A', 'F1', { ticker: null })
  assert.equal(choose([nameless, composite('LN', 'B', 'F2')]), { figi: 'F2', rivals: [] })
  assert.is(choose([nameless]), null)
  assert.is(choose([]), null)
})

const codes = fc.constantFrom('US', 'UN', 'UW', 'GR', 'GY', 'LN', 'EO', null)
const figis = fc.constantFrom('F1', 'F2', 'F3', 'F4', 'F5', 'F6')
const anyListing: fc.Arbitrary<Listing> = fc.record({
  figi: figis,
  name: fc.constantFrom('A', 'B', null),
  ticker: fc.constantFrom('A', 'B', 'C', null),
  exchCode: codes,
  compositeFIGI: fc.option(figis),
  securityType: fc.constantFrom('Common Stock', 'ADR', 'REIT', 'ETP', 'Preference', null),
  marketSector: fc.constantFrom('Equity', 'Corp', null),
  shareClassFIGI: fc.constantFrom('S1', 'S2', null),
  securityType2: fc.constantFrom('Common Stock', 'Depositary Receipt', 'Mutual Fund', null),
  securityDescription: fc.constant(null),
})
const preferences = fc.constantFrom(preference, ['any'], ['home', 'US', 'any'], ['UN', 'LN', 'any'])
const identifiers = fc.constantFrom(apple, sap)

test('the choice and the alternatives do not depend on the order of the listings', () => {
  const shuffled = fc
    .array(anyListing, { maxLength: 12 })
    .chain((listings) =>
      fc.tuple(fc.constant(listings), fc.shuffledSubarray(listings, { minLength: listings.length })),
    )
  fc.assert(
    fc.property(shuffled, preferences, identifiers, ([listings, other], markets, identifier) => {
      const context = { preference: markets, identifier }
      assert.equal(chooseListing(other, context), chooseListing(listings, context))
    }),
    { numRuns: 1000 },
  )
})

test('the choice is one of the listings, has a ticker, and is there exactly where one has', () => {
  fc.assert(
    fc.property(fc.array(anyListing), preferences, identifiers, (listings, markets, identifier) => {
      const choice = chooseListing(listings, { preference: markets, identifier })
      assert.is(
        choice !== null,
        listings.some(({ ticker }) => ticker !== null),
      )
      if (!choice) return
      assert.ok(listings.includes(choice.listing))
      assert.ok(choice.alternatives.every((rival) => listings.includes(rival) && rival.ticker !== null))
      assert.not(choice.alternatives.includes(choice.listing))
    }),
  )
})

test('taking the choice away never yields a better one: the next was a rival, or is worse', () => {
  fc.assert(
    fc.property(fc.array(anyListing, { minLength: 1 }), (listings) => {
      const context = { preference, identifier: sap }
      const choice = chooseListing(listings, context)
      if (!choice) return
      assert.equal(chooseListing([choice.listing, ...listings], context)?.listing, choice.listing)
      for (const rival of choice.alternatives) {
        assert.ok(rival.figi >= choice.listing.figi)
      }
    }),
  )
})

test.run()
