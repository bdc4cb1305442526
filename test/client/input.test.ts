import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { identify, normalizeIdentifier } from '../../src/identifiers.ts'
import { withClients } from '../support/client_stage.ts'
import fc from '../support/fast_check.ts'
import { makeCins, makeCusip, makeIsin } from '../support/identifiers_maker.ts'
import { observe } from '../support/mappings.ts'

const test = suite('whatever is asked for')

/** Any UTF-16 code units: NUL, halves of pairs, everything. */
const anyText = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 })
  .map((units) => String.fromCharCode(...units))

const identifier = fc.oneof(
  fc.nat(5000).map(makeCusip),
  fc.nat(5000).map(makeCins),
  fc.nat(5000).map((n) => makeIsin(n)),
  fc.nat(5000).map((n) => makeIsin(n, 'XS')),
)

/** An identifier with something in it that does not belong there, or one character changed. */
const damaged = fc
  .tuple(
    identifier,
    fc.nat(12),
    fc.constantFrom('\0', '\ud800', '\udfff', ' ', '-', 'ß', 'ı', "'", '\\', '{', '"', '7'),
  )
  .map(([value, place, inserted]) => value.slice(0, place) + inserted + value.slice(place))

const type = fc.oneof(fc.constantFrom('CUSIP', 'ISIN', 'cusip', ' isin ', 'SEDOL', ''), anyText)
const value = fc.oneof(identifier, damaged, damaged, anyText)

test('gets one row each, in order, and no rejection', () =>
  withClients(async ({ client, logger }) => {
    const pgfigi = client()
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(type, value), { minLength: 1, maxLength: 200 }), async (asked) => {
        const inputs = asked.flatMap(([type, value]) => [value, { type, value }])
        const rows = []
        for await (const row of pgfigi.resolveMany(inputs)) rows.push(row)
        assert.is(rows.length, inputs.length)
        for (const [place, input] of inputs.entries()) {
          const row = rows[place]
          const known =
            typeof input === 'string' ? identify(input) : normalizeIdentifier(input.type, input.value)
          assert.is(row?.input, typeof input === 'string' ? input : input.value)
          assert.is(row?.error, null)
          if (known) assert.equal([row?.identifier_type, row?.identifier_value], [known.type, known.value])
          assert.equal(row?.status === 'invalid', known === null)
          assert.ok(known === null || row?.status === 'hit' || row?.status === 'negative')
          assert.is(row?.ticker === null, row?.status !== 'hit')
        }
        const tickers = await Promise.all(
          asked.flatMap(([, value]) => [pgfigi.getTickerFromCusip(value), pgfigi.getTickerFromIsin(value)]),
        )
        assert.ok(tickers.every((ticker) => ticker === null || ticker.length > 0))
      }),
      { numRuns: 25, interruptAfterTimeLimit: 20_000 },
    )
    assert.equal(
      logger.lines.filter(({ level }) => level === 'warn' || level === 'error'),
      [],
    )
  }))

test('may come from JavaScript that does not know the types', () =>
  withClients(async ({ client }) => {
    const pgfigi = client()
    const wild = [
      null,
      undefined,
      37833100,
      {},
      [],
      { type: null, value: null },
      { type: 7, value: 8 },
      true,
    ] as never[]
    for (const input of wild) {
      const row = await pgfigi.resolve(input)
      assert.ok(row.status === 'invalid' || row.ticker === 'AAPL', `${JSON.stringify(input)}: ${row.status}`)
      await pgfigi.getTickerFromCusip(input)
      await pgfigi.getTickerFromIsin(input)
    }
    assert.is(await pgfigi.getTickerFromCusip(37833100 as never), 'AAPL', 'a number out of a spreadsheet')
  }))

test('is looked up once where it is asked for more than once', () =>
  withClients(async ({ client, sim, sql }) => {
    const value = makeCusip(1)
    const inputs = [value, ` ${value.toLowerCase()} `, { type: 'cusip', value }, value]
    const clients = inputs.map(() => client())
    // All are connected when they ask together: one that comes late may ask for what the first has just been answered.
    await observe(sql, 'CUSIP', makeCusip(2), 'KNOWN')
    await Promise.all(clients.map((one) => one.resolve(makeCusip(2))))
    const rows = await Promise.all(inputs.map((input, place) => clients[place]?.resolve(input)))
    assert.is(new Set(rows.map((row) => row?.id)).size, 1)
    assert.equal(
      rows.map((row) => row?.input),
      inputs.map((input) => (typeof input === 'string' ? input : input.value)),
    )
    assert.is(sim.filteredRequests().length, 1)
  }))

test.run()
