import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Enricher } from '../../src/enrich/enricher.ts'
import { oneTime } from '../../src/enrich/row_times.ts'
import { openHoldings } from '../../src/holdings/open_holdings.ts'
import { amount } from '../support/at_length.ts'
import fc from '../support/fast_check.ts'
import { figure } from '../support/figure.ts'
import { makeCusip, makeIsin } from '../support/identifiers_maker.ts'
import { sourceOf } from '../support/memory_source.ts'
import { oddText } from '../support/odd_identifiers.ts'

const answer = { ticker: 'TICK', name: 'A "name", Inc', figi: null, status: 'hit' as const }

/** What enriching makes of a file, with the same answer for every identifier; null where it is refused in a sentence. */
async function enriched(bytes: Buffer, pieceSize: number): Promise<{ text: string; rows: number } | null> {
  try {
    const enricher = new Enricher({
      holdings: await openHoldings(sourceOf(bytes, pieceSize), { columns: [] }),
      timeOf: oneTime(undefined, new Date()),
      lookUp: async (identifiers) => identifiers.map(() => answer),
      onWarning: () => {},
      signal: new AbortController().signal,
    })
    const pieces = await Array.fromAsync(enricher.bytes())
    return { text: Buffer.concat(pieces).toString(), rows: enricher.summary.rows }
  } catch (error) {
    assert.match((error as Error).name, /^(ImportError|ColumnError)$/, (error as Error).stack)
    assert.match((error as Error).message, /^file .+\.$/s)
    return null
  }
}

const identifier = fc.oneof(
  fc.nat(5_000).map(makeCusip),
  fc.nat(5_000).map((n) => makeIsin(n)),
  oddText,
)
const anyCell = fc.oneof(
  identifier,
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom(
    '1,5',
    '"',
    '""',
    '"a"b',
    '=1+1',
    '\t',
    '#',
    '-',
    '\u2028',
    '\u0085',
    'sep=;',
    '{',
    '__proto__',
    '0'.repeat(500),
  ),
)
const isPlain = (cell: string) =>
  !/[\0\r\n",;\t|]/.test(cell) && cell.isWellFormed() && !cell.includes('\ufeff')

test('every column is kept byte for byte, and each row gets its own four cells', async () => {
  let rows = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.tuple(
          identifier.filter(isPlain),
          anyCell.filter(isPlain),
          anyCell.filter((cell) => !/[\0\r\n]/.test(cell) && cell.isWellFormed() && !cell.includes('\ufeff')),
        ),
        { minLength: 1, maxLength: 30 },
      ),
      fc.constantFrom(',', ';', '\t', '|'),
      fc.constantFrom('\n', '\r\n'),
      fc.boolean(),
      fc.integer({ min: 4, max: 2_000 }),
      async (cells, delimiter, end, isMarked, pieceSize) => {
        const lines = cells.map(([id, plain, other]) =>
          [`x${plain}`, id, `"${other.replaceAll('"', '""')}"`].join(delimiter),
        )
        const text = [['note', 'cusip', 'other'].join(delimiter), ...lines].join(end)
        const found = await enriched(Buffer.from((isMarked ? '\ufeff' : '') + text), pieceSize)
        assert.ok(found, 'it is a table')
        assert.is(found.rows, lines.length)
        rows += lines.length
        const written = found.text.split(end)
        assert.is(written.length, lines.length + 2)
        assert.is(
          written[0],
          `${isMarked ? '\ufeff' : ''}${[
            ['note', 'cusip', 'other'],
            ['ticker', 'name', 'figi', 'status'],
          ]
            .flat()
            .join(delimiter)}`,
        )
        for (const [n, line] of lines.entries()) {
          assert.ok(written[n + 1]?.startsWith(line + delimiter), `${written[n + 1]} of ${line}`)
          const added = written[n + 1]?.slice(line.length)
          const hit = `${delimiter}TICK${delimiter}"A ""name"", Inc"${delimiter}${delimiter}hit`
          assert.ok([hit, `${delimiter.repeat(4)}invalid`].includes(added ?? ''), added)
        }
      },
    ),
    { numRuns: amount(250, 3_000) },
  )
  figure(`${rows.toLocaleString('en-US')} rows kept`)
})

test('JSON lines stay what they were, with four more properties', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.tuple(
          fc.nat(5_000).map(makeCusip),
          fc.dictionary(
            fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'ticker', 'status', 'id')),
            fc.jsonValue({ maxDepth: 2 }),
            { maxKeys: 4 },
          ),
        ),
        { minLength: 1, maxLength: 10 },
      ),
      fc.integer({ min: 1, max: 500 }),
      async (objects, pieceSize) => {
        const lines = objects.map(
          ([cusip, others]) =>
            `{"cusip":${JSON.stringify(cusip)}${Object.entries(others)
              .filter(([key]) => !/cusip/i.test(key))
              .map(([key, value]) => `, ${JSON.stringify(key)} : ${JSON.stringify(value)}`)
              .join('')} }`,
        )
        const found = await enriched(Buffer.from(lines.join('\n')), pieceSize)
        assert.ok(found)
        const written = found.text.trimEnd().split('\n')
        assert.is(written.length, lines.length)
        for (const [n, line] of lines.entries()) {
          assert.ok(written[n]?.startsWith(line.slice(0, -1)), written[n])
          const keys = Object.keys(JSON.parse(written[n] ?? ''))
          assert.is(keys.length, Object.keys(JSON.parse(line)).length + 4, written[n])
        }
      },
    ),
    { numRuns: amount(250, 3_000) },
  ))

test('any bytes are refused in a sentence, or every line comes out again', () =>
  fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
        fc.array(anyCell, { maxLength: 30 }).map((cells) => Buffer.from(cells.join(','))),
        fc.array(anyCell, { maxLength: 30 }).map((cells) => Buffer.from(`cusip,x\n${cells.join('\n')}`)),
        fc
          .tuple(identifier, fc.uint8Array({ maxLength: 100 }))
          .map(([text, bytes]) => Buffer.concat([Buffer.from(`${makeCusip(1)}\n${text}\n`), bytes])),
      ),
      fc.integer({ min: 4, max: 100 }),
      async (bytes, pieceSize) => {
        const found = await enriched(bytes, pieceSize)
        const again = await enriched(bytes, 100_000)
        assert.equal(found, again, 'in whatever pieces it comes')
      },
    ),
    { numRuns: amount(1_500, 20_000) },
  ))

test.run()
