import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { LongLines, linesOf, longestRecord } from '../../src/import/lines.ts'
import { readContent } from './reading.ts'

const apple = '037833100'
const long = 'x'.repeat(longestRecord + 1)

async function* inPieces(text: string, size: number) {
  for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size)
}

test('a line that is too long is blank, told by its number, and moves no other', async () => {
  for (const [text, size] of [
    [`a\n${long}${long}\r\nb\n${long}`, 100_000],
    [`a\n${long}\r\nb\n${long}\r`, longestRecord + 4],
    [`a\n${long}\nb\n${long}\n`, 1e9],
  ] as const) {
    const tooLong = new LongLines('f')
    const lines: string[] = []
    for await (const piece of linesOf(inPieces(text, size), tooLong)) {
      assert.is(piece.first, lines.length + 1)
      lines.push(...piece.lines)
    }
    assert.equal(lines.slice(0, 3), ['a', '', 'b'])
    const rejects = tooLong.take()
    assert.equal(
      rejects.map(({ place }) => place.line),
      [2, 4],
    )
    assert.ok(rejects.every(({ text }) => text.length < 3000))
    assert.equal(tooLong.take(), [])
  }
})

for (const [kind, head, line, tooLong] of [
  ['a table', 'cusip,ticker,name\n', `${apple},AAPL,\n`, `${apple},AAPL,${long}\n`],
  ['JSON lines', '', `{"${apple}":"AAPL"}\n`, `{"${apple}":"AAPL","name":"${long}"}\n`],
  [
    'a file of the SEC',
    'SETTLEMENT DATE|CUSIP|SYMBOL|QUANTITY|DESCRIPTION|PRICE\n',
    `20210309|${apple}|AAPL|1|A|1\n`,
    `${long}\n`,
  ],
] as const) {
  test(`${kind}: a line longer than 4 MB is rejected and never imported in part`, async () => {
    const { sightings, rejects } = await readContent(`${head}${line}${tooLong}${line}`)
    assert.is(sightings.length, 2)
    assert.equal(rejects, [[head === '' ? 2 : 3, 'its record is longer than 4 MB']])
  })
}

test.run()
