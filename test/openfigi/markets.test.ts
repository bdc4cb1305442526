import { existsSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Identifier } from '../../src/identifiers.ts'
import {
  compositeOf,
  homeMarkets,
  homeOf,
  marketsOf,
  parseListingPreference,
  venuesOfUs,
} from '../../src/openfigi/markets.ts'

const cusip = (value: string): Identifier => ({ type: 'CUSIP', value })
const isin = (value: string): Identifier => ({ type: 'ISIN', value })

test('countries have the exchange code of their composite, which is rarely their own code', () => {
  assert.equal(['US', 'CA', 'DE', 'GB', 'CH', 'CN', 'BR', 'JP'].map(compositeOf), [
    'US',
    'CN',
    'GR',
    'LN',
    'SW',
    'CH',
    'BZ',
    'JP',
  ])
  assert.equal(['XS', 'EU', 'ZZ', ''].map(compositeOf), [null, null, null, null])
})

test('an ISIN is at home in its country, a CUSIP in the US, a CINS nowhere', () => {
  assert.is(homeOf(isin('GB0002374006')), 'LN')
  assert.is(homeOf(isin('XS0104440986')), null)
  assert.is(homeOf(cusip('037833100')), 'US')
  assert.is(homeOf(cusip('G0176J109')), null)
})

test('the markets of an identifier are its preference up to `any`, without repetition', () => {
  assert.equal(marketsOf(isin('US0378331005'), ['US', 'home', 'any']), ['US'])
  assert.equal(marketsOf(isin('DE0007164600'), ['US', 'home', 'any']), ['US', 'GR'])
  assert.equal(marketsOf(cusip('G0176J109'), ['home', 'LN', 'any']), ['LN'])
  assert.equal(marketsOf(cusip('037833100'), ['any']), [])
})

test('a preference is a list of exchange codes, home and any, in any case; any is implied', () => {
  assert.equal(parseListingPreference('US,home,any'), ['US', 'home', 'any'])
  assert.equal(parseListingPreference(' us , HOME '), ['US', 'home', 'any'])
  assert.equal(parseListingPreference('LN,LN,home'), ['LN', 'home', 'any'])
  assert.equal(parseListingPreference('any'), ['any'])
  assert.equal(parseListingPreference('home'), ['home', 'any'])
  assert.equal(parseListingPreference('T0'), ['T0', 'any'])
})

test('any other entry is refused with what would be right', () => {
  for (const text of ['', ',', 'US,', 'USA', 'U', 'US;home', 'US home', 'Ä1', 'US,every']) {
    assert.throws(
      () => parseListingPreference(text),
      /OPENFIGI_LISTING_PREFERENCE must be a list such as US,home,any/,
      text,
    )
  }
  assert.throws(() => parseListingPreference('any,US'), /nothing after any/)
})

test('the table agrees with the list of exchange codes', () => {
  const file = new URL('../../../shared/data/openfigi/exchange_codes.csv', import.meta.url)
  if (!existsSync(file)) {
    console.log('skipped: no exchange_codes.csv beside the repository')
    return
  }
  const rows = readFileSync(file, 'utf8')
    .split(/\r?\n/)
    .map((line) => line.split(',').map((cell) => cell.trim()))
  const composites = new Map<string, Map<string, boolean>>()
  for (const [, , code = '', , country = '', isTrue] of rows) {
    if (!/^[A-Z]{2}$/.test(country)) continue
    composites.set(country, (composites.get(country) ?? new Map()).set(code, isTrue === 'Yes'))
  }
  assert.ok(composites.size > 100)
  assert.equal([...homeMarkets().keys()].toSorted(), [...composites.keys()].toSorted())
  for (const [country, codes] of composites) {
    const ours = compositeOf(country) ?? ''
    assert.ok(codes.has(ours), `${country} has ${[...codes.keys()]}, not ${ours}`)
    const hasTrueOne = [...codes.values()].includes(true)
    assert.is(codes.get(ours), hasTrueOne, `${country} should have a true composite`)
  }
  const venues = rows.filter(([, , code]) => code === 'US').map(([venue]) => venue)
  assert.equal([...venuesOfUs].toSorted(), venues.toSorted())
})

test.run()
