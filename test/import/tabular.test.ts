import { stringify } from 'csv-stringify/sync'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { recordsOf } from '../../src/import/delimited.ts'
import { linesOf } from '../../src/import/lines.ts'
import fc from '../support/fast_check.ts'
import { readContent } from './reading.ts'

const [apple, appleIsin, sony] = ['037833100', 'US0378331005', '835699307']
const file = '2023-01-01' // when the file was last changed
const day = '2021-03-09'

test('start and end are a period; a start alone holds on; an end in the future is none', async () => {
  const { sightings, rejects } = await readContent(
    [
      'type,value,ticker,start,end',
      `CUSIP,${sony},SNE,2000-01-01,2021-04-01`,
      `CUSIP,${sony},SONY,2021-04-01,`,
      `isin,${appleIsin},AAPL,20200101,9999-12-31`,
      `,${apple},AAPL,,`,
      `CUSIP,${apple},,,`,
      `CUSIP,${apple},AAPL,2023-06-01,`,
    ].join('\n'),
  )
  assert.equal(sightings, [
    ['CUSIP', sony, 'SNE', '2000-01-01', '2021-04-01', null],
    ['CUSIP', sony, 'SONY', '2021-04-01', file, file],
    ['ISIN', appleIsin, 'AAPL', '2020-01-01', file, file],
    ['CUSIP', apple, 'AAPL', file, null, file],
    ['CUSIP', apple, null, null, null, file],
    ['CUSIP', apple, 'AAPL', '2023-06-01', null, '2023-06-01'],
  ])
  assert.equal(rejects, [])
})

for (const [delimiter, head] of [
  [',', 'Identifier Type,Identifier,Symbol,Valid From,Valid To'],
  [';', 'ID_TYPE;id_value;TICKER;from;to'],
  ['\t', 'type\tvalue\tticker\tstart_date\tend_date'],
  ['|', '# a comment\n\ntype|value|ticker|start|until'],
] as const) {
  test(`columns go by what they are called, whatever divides them: ${JSON.stringify(head)}`, async () => {
    const { sightings } = await readContent(
      `${head}\r\n${['CUSIP', apple, 'AAPL', day, '2022-01-01'].join(delimiter)}\r\n`,
    )
    assert.equal(sightings, [['CUSIP', apple, 'AAPL', day, '2022-01-01', null]])
  })
}

test("Excel's sep= is no head, and says what divides the cells", async () => {
  for (const [first, delimiter] of [
    ['sep=;', ';'],
    ['"sep=^"', '^'],
    ['SEP=\t', '\t'],
  ] as const) {
    const rows = [
      ['CUSIP No.', 'ISIN-Number', 'Ticker, in the US', 'Ticker'],
      [apple, appleIsin, 'AAPL', 'AAPL'],
    ]
    const { sightings } = await readContent([first, ...rows.map((row) => row.join(delimiter))].join('\r\n'))
    assert.equal(
      sightings.map(([, value, ticker]) => [value, ticker]),
      [
        [apple, 'AAPL'],
        [appleIsin, 'AAPL'],
      ],
      first,
    )
  }
})

test('columns cusip and isin are read both; a date column is when it was seen; Excel\'s ="..." is a text', async () => {
  const { sightings, items } = await readContent(
    `date,cusip,isin,ticker,name,sector\n${day},="${apple}",${appleIsin},AAPL,"APPLE, INC ""A""",Equity\n${day},,,AAPL,,\n`,
  )
  assert.equal(sightings, [
    ['CUSIP', apple, 'AAPL', day, null, day],
    ['ISIN', appleIsin, 'AAPL', day, null, day],
  ])
  const [first, , third] = items
  assert.equal(first?.kind === 'sighting' && first.details, {
    name: 'APPLE, INC "A"',
    market_sector: 'Equity',
  })
  assert.is(third?.kind === 'reject' && third.reason, 'it has no identifier')
})

test('our own export is read back, the apostrophes that guard formulas taken off', async () => {
  const columns = [
    ...['id', 'identifier_type', 'identifier_value', 'ticker', 'has_no_results', 'start_date', 'end_date'],
    ...['last_fetched_date', 'created_at', 'updated_at', 'figi', 'name', 'source'],
  ]
  const at = '2022-02-02 10:00:00+00'
  const { sightings, items } = await readContent(
    stringify([
      columns,
      [
        '17',
        'CUSIP',
        sony,
        'SNE',
        'f',
        '2000-01-01 00:00:00+00',
        '2021-04-01 00:00:00+00',
        at,
        at,
        at,
        '',
        "'=SONY",
        'import',
      ],
      [
        '18',
        'CUSIP',
        sony,
        'SONY',
        'f',
        '2021-04-01 00:00:00+00',
        '',
        at,
        at,
        at,
        'BBG000BT7ZK6',
        "'-x",
        'openfigi',
      ],
      ['19', 'CUSIP', apple, '', 't', '2021-04-01 00:00:00+00', '', at, at, at, '', '', 'openfigi'],
      ['20', 'CUSIP', apple, '', 'f', '2021-04-01 00:00:00+00', '', at, at, at, '', '', 'openfigi'],
    ]),
  )
  const seen = '2022-02-02T10:00:00.000Z'
  assert.equal(sightings, [
    ['CUSIP', sony, 'SNE', '2000-01-01', '2021-04-01', null],
    ['CUSIP', sony, 'SONY', '2021-04-01', seen, seen],
    ['CUSIP', apple, null, '2021-04-01', seen, seen],
  ])
  const names = items.map((item) => item.kind === 'sighting' && item.details?.name)
  assert.equal(names.slice(0, 2), ['=SONY', '-x'])
})

test('rows that cannot be right are rejected by their line, and why', async () => {
  const { sightings, rejects } = await readContent(
    [
      'type,value,ticker,start,end',
      `CUSIP,${apple},AAPL,2021-01-01,2021-01-01`,
      `CUSIP,${apple},AAPL,,2021-01-01`,
      `CUSIP,${apple},AAPL,01/02/2021,`,
      `CUSIP,${apple},AAPL,2025-01-01,`,
      `SEDOL,2046251,AAPL,,`,
      `CUSIP,037833109,AAPL,,`,
      `CUSIP,${apple},AAPL`,
      `CUSIP,${apple},"AA`,
    ].join('\n'),
  )
  assert.equal(sightings, [])
  assert.equal(
    rejects.map(([line]) => line),
    [2, 3, 4, 5, 6, 7, 8, 9],
  )
  const reasons = rejects.map(([, reason]) => reason)
  for (const [place, text] of [
    [0, 'it ends when it begins, or before'],
    [1, 'it has an end but no start'],
    [2, 'its start "01/02/2021" is no date that can be read for certain'],
    [3, 'in the future'],
    [4, 'its type "SEDOL" is neither CUSIP nor ISIN'],
    [5, '"037833109" is no CUSIP'],
    [6, 'it has 3 cells, and the head of the table has 5'],
    [7, 'it has 3 cells'],
  ] as const) {
    assert.match(reasons[place] ?? '', text)
  }
})

for (const [content, message] of [
  ['isin,sedol,price\n1,2,3', /no column for the ticker. Its first line names "isin", "sedol", "price"/],
  ['name,ticker\nApple,AAPL', /no column for the identifier/],
  [`${apple},AAPL\n`, /no column for the identifier and the ticker/],
] as const) {
  test(`a table without the columns needed is refused: ${JSON.stringify(content)}`, async () => {
    try {
      await readContent(content)
    } catch (error) {
      assert.match((error as Error).message, message)
      return
    }
    assert.unreachable()
  })
}

test('whatever a CSV writer writes is read back, in pieces of any size', async () => {
  const cell = fc.string({ unit: fc.constantFrom('a', 'b', '"', ',', '\n', ' ', "'", 'é'), maxLength: 6 })
  const rows = fc.array(fc.array(cell, { minLength: 2, maxLength: 3 }), { maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(rows, fc.integer({ min: 1, max: 9 }), async (table, size) => {
      const text = stringify(table, { quoted_empty: true, quoted_match: /\s/ })
      async function* pieces() {
        for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size)
      }
      const read: string[][] = []
      for await (const records of recordsOf(linesOf(pieces()), ','))
        read.push(...records.map(({ cells }) => cells))
      assert.equal(read, table)
    }),
  )
})

test('what a CSV writer writes in lines that end with CR is read back, line breaks and all', async () => {
  const text = '"a\rb""",c\r"d","e\r\r"\r'
  async function* pieces() {
    yield text
  }
  const read: string[][] = []
  for await (const records of recordsOf(linesOf(pieces(), undefined, '\r'), ',', { lineEnd: '\r' }))
    read.push(...records.map(({ cells }) => cells))
  assert.equal(read, [
    ['a\rb"', 'c'],
    ['d', 'e\r\r'],
  ])
})

test('a quote that is never closed costs its own line alone', async () => {
  const lines = [`CUSIP,${apple},"AAPL`, ...Array.from({ length: 250 }, () => `CUSIP,${apple},AAPL`)]
  const { sightings, rejects } = await readContent(['type,value,ticker', ...lines].join('\n'))
  assert.is(sightings.filter(([, , ticker]) => ticker === 'AAPL').length, 250)
  assert.is(sightings.length + rejects.length, 251)
})

test.run()
