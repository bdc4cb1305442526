import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { tokensOf } from '../../src/import/json_tokens.ts'
import { longestRecord } from '../../src/import/lines.ts'
import { readContent } from './reading.ts'

const [apple, sony, microsoft] = ['037833100', '835699307', 'US5949181045']
const long = 'x'.repeat(longestRecord)

for (const [what, value] of [
  ['a name', { ticker: 'AAPL', name: `${long}\\"` }],
  ['a key', { [long]: 1, ticker: 'AAPL' }],
  ['a list', { data: Array.from({ length: 250_000 }, () => ({ ticker: 'AAPL' })) }],
] as const) {
  test(`an entry longer than 4 MB (${what}) is rejected, and the others are read`, async () => {
    const { sightings, rejects } = await readContent({ [sony]: 'SONY', [apple]: value, [microsoft]: 'MSFT' })
    assert.equal(
      sightings.map(([, , ticker]) => ticker),
      ['SONY', 'MSFT'],
    )
    assert.equal(rejects, [[2, 'its record is longer than 4 MB']])
  })
}

test('of a string without an end only so much is kept, whatever is escaped in it', async () => {
  async function* pieces() {
    yield '["'
    for (let n = 0; n < 100; n += 1) yield 'y'.repeat(65_536)
    yield* ['y\\', '"y\\"', '\\\\', '", "next"]']
  }
  const values: string[] = []
  for await (const tokens of tokensOf(pieces(), 'f'))
    for (const token of tokens) if (token.name === 'stringValue') values.push(token.value)
  assert.is(values.length, 2)
  assert.is(values[1], 'next')
  const length = values[0]?.length ?? 0
  assert.ok(length > longestRecord && length < 2 * longestRecord, `${length} characters`)
})

test('a name is kept to its thousandth character', async () => {
  const { items } = await readContent({ [apple]: { ticker: 'AAPL', name: `${'x'.repeat(999)}\u{1f34e}` } })
  const [first] = items
  assert.is(first?.kind === 'sighting' && first.details?.name, 'x'.repeat(999))
})

test.run()
