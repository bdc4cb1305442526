import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Input, OpenFIGIClient } from '../../src/client.ts'
import { testKey } from '../support/canaries.ts'
import { recordingLogger } from '../support/recording_logger.ts'

const refusing = () => {
  throw new Error('it looked inside')
}
const revoked = Proxy.revocable({}, {})
revoked.revoke()

/** What callers without types hand in, none of which is an identifier. */
const odd: readonly unknown[] = [
  ...[
    null,
    undefined,
    Number.NaN,
    0,
    -1,
    1e300,
    10n ** 400n,
    true,
    '',
    ' ',
    '\0',
    '\ud800',
    Symbol('037833100'),
  ],
  ...[{}, [], Object.create(null), () => '037833100', new Date(Number.NaN), /x/, new Map(), new Error('x')],
  ...[
    { toString: refusing },
    { value: { toString: refusing } },
    { value: Object.create(null) },
    { type: 'CUSIP' },
  ],
  ...[
    { type: Symbol('CUSIP'), value: '037833100' },
    { type: {}, value: '037833100' },
    { type: 'SEDOL', value: '037833100' },
  ],
  ...[
    { type: { toString: refusing }, value: '037833100' },
    { value: Symbol('x') },
    { type: 'CUSIP', value: null },
  ],
  ...[new Proxy({}, { get: refusing }), new Proxy({}, { has: refusing, ownKeys: refusing }), revoked.proxy],
  ...[Object.defineProperty({}, 'value', { get: refusing }), '0'.repeat(1_000_000), ['037833100', 'x']],
]

// Nothing listens there: what is asked for would be told as an error.
const client = () =>
  new OpenFIGIClient({
    enableCache: false,
    apiUrl: 'http://127.0.0.1:9',
    apiKey: testKey,
    logger: recordingLogger(),
  })

test('whatever is handed in gets its row of status invalid, and no rejection', async () => {
  await using pgfigi = client()
  for (const [n, input] of odd.entries()) {
    const row = await pgfigi.resolve(input as Input)
    assert.is(row.status, 'invalid', `number ${n}`)
    assert.type(row.input, 'string')
    assert.is(row.error, null)
    assert.is(await pgfigi.getTickerFromCusip(input as string), null)
    assert.is(await pgfigi.getTickerFromIsin(input as string), null)
  }
  const rows = await Array.fromAsync(pgfigi.resolveMany(odd as Input[]))
  assert.is(rows.length, odd.length)
  assert.ok(rows.every(({ status }) => status === 'invalid'))
})

test('numbers and texts that stand for identifiers are taken for them', async () => {
  await using pgfigi = client()
  for (const input of [37833100, { value: '037833100' }, { type: null, value: 37833100 }]) {
    const row = await pgfigi.resolve(input as Input)
    assert.is(row.status, 'miss')
    assert.is(row.identifier_value, '037833100')
  }
})

test('what is no list rejects at once, and an error of the list is handed on', async () => {
  await using pgfigi = client()
  for (const inputs of [null, undefined, 5, {}, () => []] as unknown[]) {
    const error = await Array.fromAsync(pgfigi.resolveMany(inputs as Input[])).catch((error) => error)
    assert.instance(error, TypeError)
  }
  const broken = (function* () {
    yield '1'
    throw new RangeError('my own')
  })()
  const error = await Array.fromAsync(pgfigi.resolveMany(broken)).catch((error) => error)
  assert.is(error.message, 'my own')
})

test.run()
