import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ImportError } from '../../src/errors/import_error.ts'
import { readContent } from './reading.ts'

const [apple, appleIsin, microsoft, ibm] = ['037833100', 'US0378331005', '594918104', '459200101']
const file = '2023-01-01' // when the file was last changed
const day = '2021-03-09'

/** JSON.stringify writes keys that look like numbers first. */
const byValue = (rows: (string | null)[][]) =>
  rows.toSorted((a, b) => String(a[1]).localeCompare(String(b[1])))

test('a flat cache: tickers at the date of the file, and what is unknown at no date', async () => {
  const { sightings, rejects } = await readContent({
    [apple]: ' AAPL ',
    [appleIsin]: null,
    [microsoft]: '',
    [ibm]: [],
    '037833109': 'AAPL',
    nonsense: null,
  })
  assert.equal(byValue(sightings), [
    ['CUSIP', apple, 'AAPL', file, null, file],
    ['CUSIP', ibm, null, null, null, file],
    ['CUSIP', microsoft, null, null, null, file],
    ['ISIN', appleIsin, null, null, null, file],
  ])
  const reason = 'is neither a CUSIP nor an ISIN: the length or the check digit is wrong'
  assert.equal(rejects.map(([, text]) => text).sort(), [`"037833109" ${reason}`, `"nonsense" ${reason}`])
})

test('--observed-at is the date of all that has none, negatives too', async () => {
  const { sightings } = await readContent(
    { [apple]: 'AAPL', [appleIsin]: null },
    { observedAt: Date.UTC(2021, 2, 9) },
  )
  assert.equal(sightings, [
    ['CUSIP', apple, 'AAPL', day, null, day],
    ['ISIN', appleIsin, null, day, null, day],
  ])
})

const entries = { [apple]: 'AAPL', [appleIsin]: null }
for (const [shape, cache] of [
  ['updated_at before mappings', { version: 2, updated_at: `${day}T00:00:00Z`, mappings: entries }],
  ['updated_at after mappings', { mappings: entries, version: 2, updated_at: `${day}T00:00:00Z` }],
  ['as_of and mapping', { as_of: day, mapping: entries }],
  ['mapping and as_of', { mapping: entries, meta: { a: [1, { b: 2 }] }, as_of: day }],
  ['epoch seconds', { timestamp: Date.UTC(2021, 2, 9) / 1000, cache: entries }],
  ['a date beside the entries', { ...entries, _version: '1', updated_at: day }],
  [
    'a list under a key',
    {
      as_of: day,
      data: [
        { cusip: apple, ticker: 'AAPL' },
        { isin: appleIsin, ticker: null },
      ],
    },
  ],
] as const) {
  test(`the date of the whole counts for its entries: ${shape}`, async () => {
    const { sightings, rejects, warnings } = await readContent(cache, { observedAt: Date.UTC(2022, 0, 1) })
    assert.equal(sightings, [
      ['CUSIP', apple, 'AAPL', day, null, day],
      ['ISIN', appleIsin, null, day, null, day],
    ])
    assert.equal([rejects, warnings], [[], []])
  })
}

test('an entry with its own date is of that date; its name and FIGI come along', async () => {
  const { items, sightings } = await readContent({
    updated_at: '2022-05-05',
    mappings: {
      [apple]: { ticker: 'AAPL', name: 'APPLE INC', figi: 'BBG000B9XRY4', status: 'ok', queried_at: day },
      [appleIsin]: { ticker: null, status: 'not_found', fetched_at: Date.UTC(2021, 2, 9) },
      [microsoft]: { data: null, timestamp: day, ttl_hours: 24 },
      [ibm]: { value: 'IBM', expires: 3 },
    },
  })
  assert.equal(byValue(sightings), [
    ['CUSIP', apple, 'AAPL', day, null, day],
    ['CUSIP', ibm, 'IBM', '2022-05-05', null, '2022-05-05'],
    ['CUSIP', microsoft, null, day, null, day],
    ['ISIN', appleIsin, null, day, null, day],
  ])
  const first = items.find((item) => item.kind === 'sighting' && item.ticker === 'AAPL')
  assert.equal(first?.kind === 'sighting' && first.details, { figi: 'BBG000B9XRY4', name: 'APPLE INC' })
})

const listing = (ticker: string, exchCode: string, figi: string) => ({
  ...{ figi, ticker, exchCode, name: 'APPLE INC', compositeFIGI: exchCode === 'US' ? figi : 'BBG000B9XRY4' },
  ...{
    shareClassFIGI: 'BBG001S5N8V8',
    securityType: 'Common Stock',
    securityType2: 'Common Stock',
    marketSector: 'Equity',
  },
})
const listings = [listing('APC', 'GR', 'BBG000000001'), listing('AAPL', 'US', 'BBG000B9XRY4')]

test('of several listings the one that pgfigi itself would choose', async () => {
  for (const value of [
    listings,
    { data: listings },
    { data: listings[1], timestamp: day, ttl_hours: 1 },
    [{ data: listings }],
  ]) {
    const { items } = await readContent({ [apple]: value })
    const [item] = items
    assert.is(item?.kind, 'sighting')
    if (item?.kind !== 'sighting') continue
    assert.equal(
      [item.ticker, item.details?.exch_code, item.details?.composite_figi],
      ['AAPL', 'US', 'BBG000B9XRY4'],
    )
  }
  const preferred = await readContent({ [apple]: listings }, { preference: ['GR', 'any'] })
  assert.is(preferred.sightings[0]?.[2], 'APC')
})

for (const none of [
  { warning: 'No identifier found.' },
  { error: 'No identifier found.' },
  { data: [] },
  { data: null },
  { ticker: '' },
  { ticker: null, status: 'no_match' },
  { has_no_results: true, ticker: null },
  { found: false },
  'NOT FOUND',
]) {
  test(`${JSON.stringify(none)} says that there is no ticker`, async () => {
    const { sightings } = await readContent({ [apple]: none, updated_at: day })
    assert.equal(sightings, [['CUSIP', apple, null, day, null, day]])
  })
}

for (const [value, reason] of [
  [{ error: 'Too many requests.' }, /the lookup failed: "Too many requests."/],
  [{ ticker: null, status: 'rate_limited' }, /the lookup failed: its status is "rate_limited"/],
  [{ ticker: null, status: 'error' }, /the lookup failed/],
  [{ data: null, status: 'timeout' }, /the lookup failed/],
  [{ data: [], status: 503 }, /the lookup failed/],
  [{ ticker: null, success: false }, /the lookup failed/],
  [{ ticker: null, status: 'pending' }, /its status "pending" does not say that there is none/],
  [{ warning: 'Something else.' }, /OpenFIGI warned/],
  [{ ticker: 'AAPL', status: 'not_found' }, /it has a ticker and says that there is none/],
  [{ ticker: null, found: true }, /says that there is one/],
  [{ name: 'APPLE INC' }, /neither a ticker nor/],
  [[{ figi: 'BBG000B9XRY4', name: 'X' }], /its listing has no ticker/],
  [['AAPL', 'APC'], /it has 2 tickers/],
  ['N/A', /"N\/A" is no ticker/],
  ['None', /is no ticker/],
  ['nan', /is no ticker/],
  ['AA\u0000PL', /is no ticker/],
  [false, /false is neither a ticker nor null/],
  [
    { ticker: 'AAPL', queried_at: '03/09/2021' },
    /its date "03\/09\/2021" is no date that can be read for certain/,
  ],
  [{ ticker: 'AAPL', queried_at: '2024-06-01' }, /is in the future/],
] as const) {
  test(`${JSON.stringify(value)} is rejected, and is no negative`, async () => {
    const { sightings, rejects } = await readContent({ [apple]: value })
    assert.equal(sightings, [])
    assert.match(rejects[0]?.[1] ?? '', reason)
  })
}

test('NA and NAN are tickers', async () => {
  const { sightings } = await readContent({ [apple]: 'NAN', [microsoft]: 'NA' })
  assert.equal(sightings.map((row) => row[2]).sort(), ['NA', 'NAN'])
})

test('an array of objects that name their identifier; a record with two identifiers counts as two', async () => {
  const { sightings, rejects } = await readContent([
    { cusip: apple, isin: appleIsin, ticker: 'AAPL', start_date: '2020-01-01', end_date: '2021-01-01' },
    { idType: 'ID_CUSIP', idValue: microsoft, data: listings.slice(1) },
    { identifier: ibm, type: 'Common Stock', ticker: 'IBM', date: day },
    { ticker: 'IBM' },
    'IBM',
  ])
  assert.equal(sightings, [
    ['CUSIP', apple, 'AAPL', '2020-01-01', '2021-01-01', null],
    ['ISIN', appleIsin, 'AAPL', '2020-01-01', '2021-01-01', null],
    ['CUSIP', microsoft, 'AAPL', file, null, file],
    ['CUSIP', ibm, 'IBM', day, null, day],
  ])
  assert.equal(rejects, [
    [4, 'it has no identifier'],
    [5, 'it is no object with an identifier in it'],
  ])
})

test('JSON lines: records or single entries; a bad line is rejected by its number and the rest is read', async () => {
  const { sightings, rejects } = await readContent(
    [
      JSON.stringify({ cusip: apple, ticker: 'AAPL', queried_at: day }),
      '',
      JSON.stringify({ [appleIsin]: null }),
      '{"cusip": "594918104", "tick',
      JSON.stringify({ [microsoft]: { ticker: 'MSFT', fetched_at: day } }),
      JSON.stringify({
        id: 17,
        identifier_type: 'CUSIP',
        identifier_value: ibm,
        ticker: 'IBM',
        start_date: day,
      }),
    ].join('\r\n'),
  )
  assert.equal(sightings, [
    ['CUSIP', apple, 'AAPL', day, null, day],
    ['ISIN', appleIsin, null, null, null, file],
    ['CUSIP', microsoft, 'MSFT', day, null, day],
    ['CUSIP', ibm, 'IBM', day, file, file],
  ])
  assert.is(rejects.length, 1)
  assert.is(rejects[0]?.[0], 4)
  assert.match(rejects[0]?.[1] ?? '', 'it is no JSON')
})

test('the first line of many may be the bad one; one object alone may be a record over several lines', async () => {
  const lines = await readContent(`{"cusip: 1\n{"cusip": "${apple}", "ticker": "AAPL"}\n`)
  assert.equal(
    lines.rejects.map(([line]) => line),
    [1],
  )
  assert.equal(lines.sightings.length, 1)
  const alone = await readContent(JSON.stringify({ ticker: 'AAPL', cusip: apple, date: day }, null, 2))
  assert.equal(alone.sightings, [['CUSIP', apple, 'AAPL', day, null, day]])
})

test('keys may name their type, and --type overrules what a value looks like', async () => {
  const named = await readContent({ [`ID_CUSIP:${apple}`]: 'AAPL', [`isin|${appleIsin}`]: 'AAPL' })
  assert.equal(
    named.sightings.map((row) => row[1]),
    [apple, appleIsin],
  )
  const typed = await readContent({ [apple]: 'AAPL', [appleIsin]: 'AAPL' }, { type: 'ISIN' })
  assert.equal([typed.sightings.length, typed.rejects.length], [1, 1])
  assert.match(typed.rejects[0]?.[1] ?? '', 'is no ISIN')
})

test('a byte order mark, UTF-16 and a __proto__ among the keys do no harm', async () => {
  const text = `{"${apple}": "AAPL", "__proto__": {"ticker": "EVIL"}, "constructor": {"ticker": "EVIL"}}`
  for (const content of [`\uFEFF${text}`, Buffer.from(`\uFEFF${text}`, 'utf16le')]) {
    const { sightings, rejects } = await readContent(content)
    assert.equal([sightings.length, rejects.length], [1, 1])
  }
  assert.is(({} as { ticker?: string }).ticker, undefined)
})

for (const [content, message] of [
  [`{"${apple}": "AAPL", "${microsoft}": "MS`, /is cut off: its JSON ends in the middle/],
  [`{"${apple}": AAPL}`, /is no whole JSON/],
  ['   ', /is empty/],
  ['['.repeat(100), /nested/],
  ['PAR1\0\0', /is no text/],
] as const) {
  test(`${JSON.stringify(content.slice(0, 40))} cannot be imported`, async () => {
    try {
      await readContent(content)
    } catch (error) {
      assert.instance(error, ImportError)
      assert.match((error as Error).message, message)
      return
    }
    assert.unreachable()
  })
}

test('a date of the whole that is none is said, and counts as none', async () => {
  const { sightings, warnings } = await readContent({ as_of: 'yesterday', mapping: { [apple]: 'AAPL' } })
  assert.equal(sightings, [['CUSIP', apple, 'AAPL', file, null, file]])
  assert.match(warnings[0] ?? '', 'gives "yesterday" as its date')
})

test.run()
