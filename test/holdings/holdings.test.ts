import { gzipSync } from 'node:zlib'
import { stringify } from 'csv-stringify/sync'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import fc from '../support/fast_check.ts'
import { readHoldings } from './read.ts'

const [apple, appleIsin, sony, microsoftIsin] = ['037833100', 'US0378331005', '835699307', 'US5949181045']

/** Of each row what is to be looked up. */
async function identifiersIn(content: string | Buffer, columns: string[] = []) {
  const { rows } = await readHoldings(content, columns)
  return rows.filter(({ kind }) => kind === 'row').map(({ identifiers }) => identifiers)
}

async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    return (error as Error).message
  }
  return 'nothing failed'
}

for (const [what, content] of [
  ['commas', `fund,cusip,shares\nA,${apple},1\nA,${sony},2\n`],
  [
    'semicolons, a byte order mark and CRLF',
    `\uFEFFfund;Cusip No.;shares\r\nA;${apple};1\r\nA;${sony};2\r\n`,
  ],
  ['tabs, and no end of the last line', `fund\tcusip9\tshares\nA\t${apple}\t1\nA\t${sony}\t2`],
  ["Excel's sep=", `sep=^\r\nfund^cusip^shares\r\nA^"${apple}"^1\r\nA^="${sony}"^2\r\n`],
  ['the line ends of old', `fund|cusip|shares\rA|${apple}|1\rA|${sony}|2\r`],
] as const) {
  test(`a table is read whatever divides it: ${what}`, async () => {
    for (const bytes of [
      Buffer.from(content),
      gzipSync(content),
      Buffer.from(`\uFEFF${content}`, 'utf16le'),
    ]) {
      const { holdings, rows } = await readHoldings(bytes)
      assert.equal(
        holdings.columns.map(({ place, type }) => [place, type]),
        [[1, 'CUSIP']],
      )
      const read = rows.filter(({ kind }) => kind === 'row')
      assert.is(read.length, 2)
      assert.match(read[1]?.identifiers[0] ?? '', sony)
      assert.is(
        rows
          .map(({ text }) => text)
          .join('|')
          .includes('\r'),
        false,
      )
    }
  })
}

test('what stands between the rows comes through, each line as it stands', async () => {
  const lines = [
    '# holdings',
    '',
    'cusip,name',
    `${apple},"AP,PLE ""X"""`,
    '',
    '# total, of one',
    ' ',
    `${sony},"a\r\nb"`,
  ]
  const { rows, holdings } = await readHoldings(`${lines.join('\r\n')}\r\n`)
  assert.equal(
    rows.map(({ text }) => text),
    lines,
  )
  assert.equal(
    rows.map(({ kind }) => kind),
    ['between', 'between', 'head', 'row', 'between', 'row', 'between', 'row'],
  )
  assert.is(rows.at(-1)?.line, 8)
  assert.is(holdings.lineEnd, '\r\n')
})

test('columns called CUSIP and ISIN are both taken, the CUSIP first; others only where they are named', async () => {
  const content = `isin,id,cusip,other\n${appleIsin},7,${apple},${sony}\n`
  assert.equal(await identifiersIn(content), [[apple, appleIsin]])
  assert.equal(await identifiersIn(content, ['other']), [[sony]])
  assert.equal(await identifiersIn(content, ['ISIN', '4']), [[sony, appleIsin].toReversed()])
  const [only] = (await readHoldings(content, ['Other'])).holdings.columns
  assert.equal(only, { place: 3, name: 'other', type: null })
})

test('without a name that says so they are told from the content: a column of each type, or one of both', async () => {
  assert.equal(await identifiersIn(`value,paper,x\n1234,${apple},a\n5678,${sony},b\n91,n/a,c\n`), [
    [apple],
    [sony],
    ['n/a'],
  ])
  const both = await readHoldings(`paper,twin\n${appleIsin},${apple}\n${microsoftIsin},\n`)
  assert.equal(
    both.holdings.columns.map(({ name, type }) => [name, type]),
    [
      ['twin', 'CUSIP'],
      ['paper', 'ISIN'],
    ],
  )
  assert.equal(await identifiersIn(`key\n${apple}\n${appleIsin}\n`), [[apple], [appleIsin]])
})

test('a plain list, and a table without a head, whose columns are numbers', async () => {
  assert.equal(await identifiersIn(`# mine\n${apple}\n\n  us-0378331005\n`), [[apple], ['  us-0378331005']])
  assert.equal(await identifiersIn(appleIsin), [[appleIsin]])
  const table = `A,${apple},${sony}\nB,${sony},${apple}\n`
  const { holdings, rows } = await readHoldings(table, ['3'])
  assert.equal([holdings.hasHead, holdings.names], [false, ['1', '2', '3']])
  assert.equal(
    rows.map(({ identifiers }) => identifiers),
    [[sony], [apple]],
  )
})

test('JSON lines: columns are keys, told by the same rules, and lines stand as they are', async () => {
  const lines = [`{"a": 1.0, "ref": "${apple}"}`, '', `{"ref": 37833100}`, `{"ref": {"x": 1}}`, '[1]', '{"re']
  const { holdings, rows } = await readHoldings(`${lines.join('\n')}\n`)
  assert.equal([holdings.format, holdings.names, holdings.columns[0]?.name], ['jsonl', ['a', 'ref'], 'ref'])
  assert.equal(
    rows.map(({ kind, text, identifiers }) => [kind, text, identifiers[0]]),
    [
      ['row', lines[0], apple],
      ['between', '', undefined],
      ['row', lines[2], '37833100'],
      ['row', lines[3], ''],
      ['broken', '[1]', undefined],
      ['broken', '{"re', undefined],
    ],
  )
})

test('the date column comes along, and short rows have what they have', async () => {
  const { rows } = await readHoldings(`cusip,day\n${apple},2021-03-09\n${sony}\n`, [], 'Day')
  assert.equal(
    rows.slice(1).map(({ date, width }) => [date, width]),
    [
      ['2021-03-09', 2],
      ['', 1],
    ],
  )
})

test('where a column cannot be told, the columns there are are said', async () => {
  const file = /holdings (has|is) /
  for (const [content, columns, date, message] of [
    [`a,b\n${apple},1\n`, ['cusip'], undefined, /has no column "cusip"\. Its columns are "a", "b"\.$/],
    [`a,b\n${apple},1\n`, ['3'], undefined, /has no column "3"/],
    [`cusip,b\n${apple},1\n`, [], 'day', /has no column "day"/],
    [`a,b\n${apple},${sony}\n`, [], undefined, /in several columns \("a", "b"\): name one with --column/],
    [
      'a,b\n1,2\n',
      [],
      undefined,
      /no column of CUSIPs or ISINs .* name one with --column\. Its columns are "a", "b"/,
    ],
    [`x,X\n${apple},1\n`, ['"x"'], undefined, /has several columns/],
    ['{"a": 1}\n', ['cusip'], undefined, /has no column "cusip"\. Its columns are "a"\.$/],
    ['[{"a": 1}]', [], undefined, /not one object a line/],
    ['{\n"cusip": 1}', [], undefined, /not one object a line/],
    [`{"a": "${'x'.repeat(300_000)}"}\n`, [], undefined, /has a first line that is longer than 256 KB/],
    [' \n', [], undefined, /is empty/],
    ['PAR1\0\0', [], undefined, /is no text/],
  ] as const) {
    const said = await failure(readHoldings(content, columns, date))
    assert.match(said, message)
    assert.match(said, file)
  }
})

test('a line that is longer than 4 MB ends it, and is said', async () => {
  const said = await failure(readHoldings(`cusip\n${apple}\n${'x'.repeat(5_000_000)}\n${sony}\n`))
  assert.match(said, /has a line, 3, that is longer than 4 MB/)
})

test('a cell may have many lines; a quote that is never closed costs its own line, and is told', async () => {
  const lines = Array.from({ length: 9_000 }, (_, n) => `line ${n}, ""quoted""`)
  const long = `${apple},"${lines.join('\n')}"`
  const whole = await readHoldings(`cusip,note\n${long}\n${sony},b\n`)
  assert.equal(
    whole.rows.map(({ text }) => text),
    ['cusip,note', long, `${sony},b`],
  )
  assert.equal(whole.warnings, [])
  const others = Array.from({ length: 10_500 }, () => `${sony},b`)
  for (const rest of [others, [`${sony},"b"`, ...others], [`${sony},"b`, 'c"', ...others]]) {
    const { rows, warnings } = await readHoldings(`cusip,note\n${apple},"a\n${rest.join('\n')}\n`)
    assert.is(rows.filter(({ identifiers }) => identifiers[0] === sony).length >= 10_500, true)
    assert.is(rows.map(({ text }) => text).join('\n'), `cusip,note\n${apple},"a\n${rest.join('\n')}`)
    assert.equal(
      rows.filter(({ isUnclosed }) => isUnclosed).map(({ line }) => line),
      [2],
    )
    assert.match(warnings.join(), /^\S*holdings, line 2: a quote is never closed\.$/)
  }
})

test('lines that leave a quote open again and again take no longer than they must', async () => {
  for (const line of [`${apple},"x","\n`, `${apple},x","\n`]) {
    const started = Date.now()
    const { rows, warnings } = await readHoldings(`cusip,a,b\n${line.repeat(30_000)}`)
    assert.is(rows.length, 30_001)
    assert.is(warnings.length, 10)
    assert.ok(Date.now() - started < 5_000)
  }
})

test('the first row of a file without a head is one, whatever is wanted or looks odd in it', async () => {
  const kinds = async (content: string, columns: string[] = []) =>
    (await readHoldings(content, columns)).rows.map(({ kind }) => kind).join(' ')
  assert.is(await kinds(`2,${apple},x\n3,${sony},y\n`, ['2']), 'row row')
  assert.is(await kinds(`037833101\n${sony}\n`), 'row row')
  assert.is(await kinds(`US0378331006\n${sony}\n`), 'row row')
  assert.is(await kinds(`holding\n${sony}\n`), 'head row')
  assert.is(await kinds(`portfolio\n${sony}\n`), 'head row')
  assert.equal(await identifiersIn(`${apple};1,5;2,5\n${sony};1,5;2,5\n`), [[apple], [sony]])
})

test('what a spreadsheet could not work out is a row, and a column may be called #', async () => {
  const failed = ['#N/A', '#REF!', '#VALUE!', '#NAME?', '#DIV/0!', '#NUM!', '#NULL!']
  assert.equal(await identifiersIn(`cusip\n${apple}\n# note\n${failed.join('\n')}\n`), [
    [apple],
    ...failed.map((cell) => [cell]),
  ])
  const { holdings, rows } = await readHoldings(`# of cusips, all\n#,cusip,shares\n1,${apple},5\n# end\n`)
  assert.equal(holdings.names, ['#', 'cusip', 'shares'])
  assert.is(rows.map(({ kind }) => kind).join(' '), 'between head row between')
})

test('line breaks in cells are no line ends, and stay what they are', async () => {
  for (const [end, inner] of [
    ['\r', '\r'],
    ['\r', '\n'],
    ['\r\n', '\n'],
    ['\r\n', '\r\n'],
    ['\n', '\r\n'],
  ] as const) {
    const content = [`cusip,"no${inner}te"`, `${apple},"a${inner}b"`, `${sony},c`, ''].join(end)
    const { holdings, rows } = await readHoldings(content)
    assert.is(rows.map(({ text }) => text + holdings.lineEnd).join(''), content)
    assert.is(rows.length, 3)
  }
})

test('rows come out as they went in, whatever is quoted in them', async () => {
  const cell = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r\n', ' ', 'é'), maxLength: 6 })
  const rows = fc.array(fc.array(cell, { minLength: 2, maxLength: 2 }), { minLength: 1, maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(rows, fc.boolean(), async (cells, quoted) => {
      const table = [['cusip', 'a', 'b'], ...cells.map((some) => [apple, ...some])]
      const texts = table.map((row) => stringify([row], { quoted, record_delimiter: '', quoted_match: /\s/ }))
      const { rows } = await readHoldings(`${texts.join('\n')}\n`)
      assert.equal(
        rows.map(({ text }) => text),
        texts,
      )
    }),
    { numRuns: 60 },
  )
})

test.run()
