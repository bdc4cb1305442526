import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readContent, readPaths } from './reading.ts'

const head = 'SETTLEMENT DATE|CUSIP|SYMBOL|QUANTITY (FAILS)|DESCRIPTION|PRICE'
const trailer = (count: number) =>
  `Trailer record count ${count}\r\nTrailer total quantity of shares 1234\r\n`

test('a line is a sighting of its day, with pipes or commas, in latin-1', async () => {
  const name = 'NESTL\xc9 "A" SPONSORED'
  const piped = `${head}\r\n20210309|835699307|SNE|100|${name}|105.2\r\n20210406|835699307|SONY |7|SONY GROUP|.\r\n${trailer(2)}`
  const rows = [`"${name.replaceAll('"', '""')}"`, '"SONY GROUP"']
  const commas = `${head.replaceAll('|', ',')}\n20210309,835699307,SNE,100,${rows[0]},105.2\n20210406,835699307,SONY,7,${rows[1]},\nTrailer record count 2,,,,,\n`
  for (const content of [piped, commas]) {
    const { items, sightings, rejects, warnings } = await readContent(Buffer.from(content, 'latin1'))
    assert.equal(sightings, [
      ['CUSIP', '835699307', 'SNE', '2021-03-09', '2021-03-10', null],
      ['CUSIP', '835699307', 'SONY', '2021-04-06', '2021-04-07', null],
    ])
    assert.equal([rejects, warnings], [[], []])
    const [first] = items
    if (first?.kind !== 'sighting') throw new Error('no sighting')
    assert.equal([first.details, first.source], [{ name: 'NESTL\u00c9 "A" SPONSORED' }, 'sec_ftd'])
  }
})

test('placeholders, missing symbols and what is no CUSIP or day are rejected', async () => {
  const lines = [
    '20210309|835699307|SNEXXXX|1|A|1',
    '20210309|835699307|ABCZZZZ|1|A|1',
    '20210309|835699307||1|A|1',
    '20210309|835699308|SNE|1|A|1',
    '20210231|835699307|SNE|1|A|1',
    '20210309|835699307|SNE',
    '20210309|835699307|XXXXA|1|A|1',
  ]
  const { sightings, rejects } = await readContent(`${head}\n${lines.join('\n')}\n${trailer(7)}`)
  assert.is(sightings.length, 1)
  assert.equal(
    rejects.map(([line]) => line),
    [2, 3, 4, 5, 6, 7],
  )
  assert.is(rejects[0]?.[1], `"SNEXXXX" is the SEC's own placeholder, not a ticker`)
  assert.is(rejects[2]?.[1], 'it has no symbol')
})

test('a file that is not whole is said to be so', async () => {
  const line = '20210309|835699307|SNE|1|A|1'
  const short = await readContent(`${head}\n${line}\n${trailer(3)}`)
  assert.match(short.warnings[0] ?? '', 'is not whole: it says that it has 3 records, and 1 are in it')
  const cut = await readContent(`${head}\n${line}\n2021`)
  assert.match(cut.warnings[0] ?? '', 'has no "Trailer record count"')
  assert.is(cut.sightings.length, 1)
})

const folder = fileURLToPath(new URL('../../../shared/data/ftd/', import.meta.url))

test("the SEC's own files are read whole", async () => {
  if (!existsSync(folder))
    return console.log('SKIPPED: the files of the SEC (they are not beside the repository)')
  const files = ['cnsfails202103a.csv.gz', 'cnsfails202104a.csv.gz'].map((name) => join(folder, name))
  const { sightings, rejects, warnings } = await readPaths(files)
  assert.is(sightings.length + rejects.length, 58_538 + 52_787)
  assert.equal(warnings, [])
  const sony = sightings.filter(([, cusip]) => cusip === '835699307')
  const days = (ticker: string) =>
    sony
      .filter((row) => row[2] === ticker)
      .map((row) => row[3] ?? '')
      .sort()
  assert.is(days('SNE').at(-1), '2021-03-09')
  assert.is(days('SONY')[0], '2021-04-06')
})

test.run()
