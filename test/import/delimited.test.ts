import { parse } from 'csv-parse/sync'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cellsOfLine } from '../../src/import/delimited.ts'
import fc from '../support/fast_check.ts'

/** What csv-parse makes of a line; where it says that a quote is not closed, quotes are characters. */
function expected(line: string, delimiter: string): string[] {
  try {
    return parse(line, { delimiter, relax_quotes: true, relax_column_count: true })[0] ?? ['']
  } catch {
    return line.split(delimiter)
  }
}

for (const delimiter of [',', '\t']) {
  test(`the cells of any line are those that csv-parse finds: ${JSON.stringify(delimiter)}`, () => {
    const line = fc.string({ unit: fc.constantFrom('a', '"', '"', delimiter, ' ', 'é'), maxLength: 14 })
    fc.assert(
      fc.property(line, (line) => {
        assert.equal(cellsOfLine(line, delimiter), expected(line, delimiter))
      }),
      { numRuns: 3_000 },
    )
  })
}

test.run()
