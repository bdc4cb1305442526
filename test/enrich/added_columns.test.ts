import { stringify } from 'csv-stringify/sync'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { addedColumns } from '../../src/enrich/added_columns.ts'
import type { HoldingRow, Holdings } from '../../src/holdings/holdings.ts'
import fc from '../support/fast_check.ts'

const holdings = (format: 'table' | 'jsonl', names: string[], delimiter = ','): Holdings => ({
  ...{ name: 'h', format, delimiter, names, lineEnd: '\n', isMarked: false, hasHead: true, columns: [] },
  async *rows() {},
})
const rowOf = (text: string, width = 0): HoldingRow => ({
  ...{ kind: 'row', line: 1, text, identifiers: [], date: null, width },
})

const text = fc.string({ unit: fc.constantFrom(...'aé",;|\t\n\r =+-@＝^]\\'), maxLength: 8 })

test('cells are written as csv-stringify writes them, formulas made safe, whatever divides them', () => {
  fc.assert(
    fc.property(
      text,
      text,
      fc.constantFrom(',', ';', '\t', '|', '^', ']', '\\'),
      (ticker, name, delimiter) => {
        const { row } = addedColumns(holdings('table', ['a'], delimiter))
        const written = row(rowOf('x', 1), { ticker, name, figi: null, status: 'hit' })
        const cells = ['x', ticker, name, '', 'hit']
        const expected = stringify([cells], {
          ...{ delimiter, escape_formulas: true, record_delimiter: '', quoted_match: /[\r\n]/ },
        })
        assert.is(written, expected)
      },
    ),
    { numRuns: 500 },
  )
})

test('a row that is too short is filled up, and names that are taken get a prefix', () => {
  const columns = addedColumns(holdings('table', ['cusip', 'Ticker', 'status', 'pgfigi_status']))
  assert.equal(columns.names, ['pgfigi_ticker', 'name', 'figi', 'pgfigi_pgfigi_status'])
  const answer = { ticker: 'A', name: null, figi: null, status: 'hit' } as const
  assert.is(columns.row(rowOf('x,y', 2), answer), 'x,y,,,A,,,hit')
  assert.is(columns.row(rowOf('1,2,3,4,5', 5), answer), '1,2,3,4,5,A,,,hit')
})

test('an object that has a key of such a name further down the file keeps its own', () => {
  const { row } = addedColumns(holdings('jsonl', ['cusip']))
  const answer = { ticker: 'A', name: '"', figi: null, status: 'hit' } as const
  const added = '"name":"\\"","figi":null,"status":"hit"}'
  assert.is(row(rowOf('{}'), answer), `{"ticker":"A",${added}`)
  assert.is(row(rowOf('{"ticker":1}'), answer), `{"ticker":1,"pgfigi_ticker":"A",${added}`)
  assert.is(
    row(rowOf('{"a":"ticker","b":{"ticker":2}}'), answer),
    `{"a":"ticker","b":{"ticker":2},"ticker":"A",${added}`,
  )
})

test.run()
