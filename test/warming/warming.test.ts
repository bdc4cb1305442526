import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { QueryRows } from '../../src/database/user_query.ts'
import { ColumnError } from '../../src/errors/column_error.ts'
import { requestAll, valuesAtOnce } from '../../src/warming/request_all.ts'
import { valuesOfHoldings, valuesOfQuery } from '../../src/warming/values.ts'
import { readHoldings } from '../holdings/read.ts'
import { makeCusip, makeIsin } from '../support/identifiers_maker.ts'

const test = suite('what is to be warmed')

async function* batches(names: string[], ...parts: string[][][]): AsyncGenerator<QueryRows> {
  for (const rows of parts) yield { names, rows }
}

const valuesOf = (rows: AsyncIterable<QueryRows>, columns: string[] = []) =>
  Array.fromAsync(valuesOfQuery(rows, columns))

test('the columns of a query are told by their names, else by their content, else by whoever asks', async () => {
  const [one, two, three] = [makeCusip(1), makeCusip(2), makeIsin(3)]
  assert.equal(
    await valuesOf(
      batches(
        ['isin', 'cusip'],
        [[three, one]],
        [
          [three, ''],
          ['', 'x'],
        ],
      ),
    ),
    [one, three, ''],
  )
  assert.equal(
    await valuesOf(
      batches(
        ['fund', 'code'],
        [
          ['a', one],
          ['b', three],
        ],
      ),
    ),
    [one, three],
  )
  assert.equal(await valuesOf(batches(['cusip', 'old'], [[one, two]]), ['OLD']), [two])
  assert.equal(await valuesOf(batches(['a', 'b'], [[three, one]]), ['a', 'b']), [one])
  assert.equal(
    await valuesOf(
      batches(
        ['identifier_type', 'identifier_value'],
        [
          ['CUSIP', one],
          ['ISIN', three],
        ],
      ),
    ),
    [one, three],
  )
  assert.equal(await valuesOf(batches(['cusip'])), [])
  const error = await valuesOf(batches(['a', 'b'], [[one, two]])).catch((error) => error)
  assert.instance(error, ColumnError)
  assert.match(error.message, 'The result of the query has identifiers in several columns ("a", "b")')
})

test('of a file each row gives one value, the CUSIP where there is one', async () => {
  const { holdings } = await readHoldings(
    `ISIN,CUSIP,shares\n${makeIsin(3)},${makeCusip(1)},1\n\n${makeIsin(3)},,2\nx,y,3\n`,
  )
  assert.equal(
    holdings.columns.map(({ name }) => name),
    ['CUSIP', 'ISIN'],
  )
  const rows = [
    { kind: 'head', identifiers: ['CUSIP', 'ISIN'] },
    { kind: 'row', identifiers: [makeCusip(1), makeIsin(3)] },
    { kind: 'between', identifiers: ['', ''] },
    { kind: 'row', identifiers: ['', makeIsin(3)] },
    { kind: 'broken', identifiers: [] },
  ]
  const file = {
    ...holdings,
    rows: async function* () {
      yield rows as never
    },
  }
  assert.equal(await Array.fromAsync(valuesOfHoldings(file, {})), [makeCusip(1), makeIsin(3), ''])
})

test('any number of values is requested a part at a time, and added up', async () => {
  const sizes: number[] = []
  const told: number[] = []
  async function* values() {
    for (let n = 0; n < 2 * valuesAtOnce + 5; n += 1) yield 'x'
  }
  const summary = await requestAll(
    values(),
    async (some) => {
      sizes.push(some.length)
      return { invalid: 1, known: 2, waiting: 3, requested: some.length - 6 }
    },
    ({ read }) => told.push(read),
  )
  assert.equal(sizes, [valuesAtOnce, valuesAtOnce, 5])
  assert.equal(told, [valuesAtOnce, 2 * valuesAtOnce, 2 * valuesAtOnce + 5])
  assert.equal(summary, {
    ...{ read: 2 * valuesAtOnce + 5, known: 6, waiting: 9, invalid: 3 },
    requested: 2 * valuesAtOnce + 5 - 18,
  })
})

test.run()
