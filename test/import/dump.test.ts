import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readContent } from './reading.ts'

test('the rows of a dump are handed on as they are', async () => {
  const row = {
    identifier_type: 'CUSIP',
    identifier_value: '037833100',
    ticker: 'AAPL',
    alternatives: [{ a: 1 }],
  }
  const lines = [
    '{"pgfigi_dump": 1, "made_at": "2021-03-09"}',
    { security_mappings: row },
    { sightings: { a: 'b' } },
  ]
  const bad = [
    { other: {} },
    { security_mappings: [] },
    '{"security_mappings": {"ticker": "A',
    { sightings: { a: '\0' } },
  ]
  const text = [...lines, ...bad]
    .map((line) => (typeof line === 'string' ? line : JSON.stringify(line)))
    .join('\n')
  const { items, rejects } = await readContent(text)
  const rows = items.filter((item) => item.kind === 'dump').map(({ table, row }) => [table, row])
  assert.equal(rows, [
    ['security_mappings', row],
    ['sightings', { a: 'b' }],
  ])
  assert.equal(
    rejects.map(([line]) => line),
    [4, 5, 6, 7],
  )
})

test('a dump of a form to come is refused', async () => {
  try {
    await readContent('{"pgfigi_dump": 2}\n{"security_mappings": {}}')
  } catch (error) {
    assert.match((error as Error).message, 'a form (2) that this pgfigi cannot read')
    return
  }
  assert.unreachable()
})

test.run()
