import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8Decoder } from '../../src/import/utf8.ts'
import { readContent } from './reading.ts'

const apple = '037833100'

/** Decodes in chunks of this size; how often it was told of foreign bytes comes along. */
function decoded(bytes: Buffer, size: number): [string, number] {
  let told = 0
  const decode = utf8Decoder(() => (told += 1))
  let text = ''
  for (let at = 0; at < bytes.length; at += size) text += decode(bytes.subarray(at, at + size))
  return [text + decode(), told]
}

test('UTF-8 is read in chunks of any size, and what is not is windows-1252, told once', () => {
  const utf8 = 'a\u00e9 \u20ac \u{1f34e} \ufeff Z'
  for (const size of [1, 2, 3, 5, 64]) {
    assert.equal(decoded(Buffer.from(`\ufeff${utf8}`), size), [utf8, 0])
    const foreign = Buffer.from([0x80, 0x41, 0xc9, 0x54, 0xe9, 0x2c, 0xf0, 0x9f])
    const whole = decoded(Buffer.concat([Buffer.from(utf8), foreign]), size)
    assert.equal(whole, [`${utf8}\u20acA\u00c9T\u00e9,\u00f0\u0178`, 1])
  }
  assert.equal(decoded(Buffer.alloc(0), 1), ['', 0])
})

test('a table saved as windows-1252 keeps its letters, with one warning; a ticker that is lost already is rejected', async () => {
  const table = `cusip,ticker,name\n${apple},AAPL,Caf\u00e9 \u0080\n`
  const { items, warnings } = await readContent(Buffer.from(table, 'latin1'))
  const [first] = items
  assert.equal(first?.kind === 'sighting' && first.details, { name: 'Caf\u00e9 \u20ac' })
  assert.is(warnings.length, 1)
  assert.match(warnings[0] ?? '', /old data is not all UTF-8: .* windows-1252/)
  const { rejects } = await readContent({ [apple]: 'AB\ufffd' })
  assert.equal(rejects, [[1, '"AB\ufffd" is no ticker']])
})

test.run()
