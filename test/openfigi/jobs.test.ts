import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Identifier } from '../../src/identifiers.ts'
import { firstMarket, mappingJob } from '../../src/openfigi/jobs.ts'
import { parseListingPreference } from '../../src/openfigi/markets.ts'

const cusip = (value: string): Identifier => ({ type: 'CUSIP', value })
const isin = (value: string): Identifier => ({ type: 'ISIN', value })

test('a CUSIP is sent as ID_CUSIP, with the market only where the answer is filtered', () => {
  assert.equal(mappingJob(cusip('037833100'), 'US'), {
    idType: 'ID_CUSIP',
    idValue: '037833100',
    exchCode: 'US',
  })
  assert.equal(mappingJob(cusip('037833100'), null), { idType: 'ID_CUSIP', idValue: '037833100' })
})

test('a CUSIP that begins with a letter is sent as ID_CINS', () => {
  assert.equal(mappingJob(cusip('G0176J109'), null), { idType: 'ID_CINS', idValue: 'G0176J109' })
})

test('an ISIN is sent as ID_ISIN', () => {
  assert.equal(mappingJob(isin('US0378331005'), 'US'), {
    idType: 'ID_ISIN',
    idValue: 'US0378331005',
    exchCode: 'US',
  })
})

test('the first market is the first preference that exists for the identifier', () => {
  const first = (preference: string, identifier: Identifier) =>
    firstMarket(identifier, parseListingPreference(preference))
  assert.is(first('US,home,any', isin('DE0007164600')), 'US')
  assert.is(first('home,US,any', isin('DE0007164600')), 'GR')
  assert.is(first('home,US', isin('XS0104440986')), 'US')
  assert.is(first('home', isin('XS0104440986')), null)
  assert.is(first('home', cusip('037833100')), 'US')
  assert.is(first('home,LN', cusip('G0176J109')), 'LN')
  assert.is(first('any', isin('US0378331005')), null)
})

test.run()
