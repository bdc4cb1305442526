import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Enricher } from '../../src/enrich/enricher.ts'
import { readHoldings } from '../holdings/read.ts'
import { makeCusip } from '../support/identifiers_maker.ts'

test('a row with a quote that is never closed comes out as it was, and counts as odd', async () => {
  const [one, two] = [makeCusip(1), makeCusip(2)]
  const { holdings, rows } = await readHoldings(`cusip,note\r\n${one},"a\r\n${two},"b\r\n""c"\r\n`)
  const enricher = new Enricher({
    holdings: {
      ...holdings,
      async *rows() {
        yield rows
      },
    },
    timeOf: () => undefined,
    lookUp: async (identifiers) =>
      identifiers.map(() => ({ ticker: 'T', name: null, figi: null, status: 'hit' })),
    onWarning() {},
    signal: new AbortController().signal,
  })
  const written = Buffer.concat(await Array.fromAsync(enricher.bytes())).toString()
  const added = ',T,,,hit\r\n'
  assert.is(written, `cusip,note,ticker,name,figi,status\r\n${one},"a${added}${two},"b\r\n""c"${added}`)
  assert.equal([enricher.summary.rows, enricher.summary.odd], [2, 1])
})

test.run()
