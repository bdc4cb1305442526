import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { amount } from '../support/at_length.ts'
import { figure } from '../support/figure.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { readout, sourceOf } from '../support/memory_source.ts'

const deepest = amount(100_000, 1_000_000)
const ok = '{"cusip":"037833100","ticker":"AAPL","date":"2021-01-01"}\n'
const many = 2 ** 20

const lists = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
const objects = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`

/** Where a value may be nested, each in a line between good ones. */
const places: readonly ((value: string) => string)[] = [
  (value) => `{"cusip":"037833100","ticker":"A","date":${value}}`,
  (value) => `{"cusip":"037833100","ticker":${value}}`,
  (value) => `{"cusip":${value},"ticker":"A"}`,
  (value) => `{"037833100":${value}}`,
  (value) => `{"037833100":{"error":${value}}}`,
  (value) => `{"037833100":{"data":${value}}}`,
  (value) => value,
]

for (const depth of [1_000, deepest])
  test(`what is nested ${depth.toLocaleString('en-US')} deep costs its line, a JSON value or a dump's row`, async () => {
    for (const value of [lists(depth), objects(depth)]) {
      for (const [n, place] of places.entries()) {
        const found = await readout(sourceOf(Buffer.from(`${ok}${ok}${place(value)}\n${ok}`)))
        assert.is(found.error, null)
        assert.is(found.sightings.length, 3, `place ${n}`)
        assert.match(found.rejects[0]?.reason ?? '', /nested more than 64 deep|longer than 4 MB/)
      }
      const whole = await readout(sourceOf(Buffer.from(`{"037833100": ${value}}`)))
      assert.match(whole.error?.message ?? 'no error', /nested more than 64 deep/)
      const dump = `{"pgfigi_dump":1}\n{"security_mappings":{"ticker":${value}}}\n{"sightings":${value}}\n${value}\n`
      const { rejects } = await readout(sourceOf(Buffer.from(dump)))
      assert.is(rejects.length, 3)
      for (const { reason } of rejects) assert.match(reason, /nested more than 64 deep|longer than 4 MB/)
    }
  })

test('a list in a list is no "there is none"', async () => {
  const { sightings, rejects } = await readout(sourceOf(Buffer.from('{"037833100": [[]], "594918104": []}')))
  assert.equal(
    sightings.map(({ value }) => value),
    ['594918104'],
  )
  assert.match(rejects[0]?.reason ?? '', /something else in it than listings/)
})

/**
 * Reads it in a time that only what looks at each part a bounded number of times can keep: of the processor's, whatever else
 * the machine has to do.
 */
async function readsInTime(what: string, text: string, expected: RegExp | number): Promise<void> {
  const began = process.cpuUsage()
  const { sightings, error } = await readout(sourceOf(Buffer.from(text)))
  const { user, system } = process.cpuUsage(began)
  const seconds = (user + system) / 1e6
  if (typeof expected === 'number') assert.is(sightings.length, expected, error?.message)
  else assert.match(error?.message ?? 'no error', expected)
  assert.ok(seconds < 10, `${what}: ${seconds.toFixed(1)} s of the processor's`)
}

const rest = '037833100,AAPL\n'

test('half a million columns, of whatever names, in seconds', async () => {
  const half = amount(100_000, 250_000)
  await readsInTime(
    'two names of one field',
    `${'symbol,'.repeat(half)}${'ticker,'.repeat(half)}x\n${rest}`,
    /has no column for the identifier/,
  )
  await readsInTime('names of nothing', `${'a,'.repeat(2 * half)}b\n${rest}`, /has no column/)
  await readsInTime('no names', `${','.repeat(2 * half)}\n${rest}`, /has no column/)
  const wide = `cusip,ticker${',x'.repeat(half)}\n037833100,AAPL${',1'.repeat(half)}\n037833100,AAPL\n`
  await readsInTime('a wide row', wide, 1)
})

test('quotes, delimiters and escapes by the megabyte, in seconds', async () => {
  for (const part of ['"', '""', '","', '"\n', '",\n', ',', ';"', '\\', "'", '=', '\r', '\n', ' ', '#', '-'])
    await readsInTime(
      JSON.stringify(part),
      `cusip,ticker\n${rest}${part.repeat(many / part.length)}\n${rest}`,
      2,
    )
  for (const part of ['\\', '"', '1', '-', ' ', '\\u0041', '{', 'e', '.'])
    await readsInTime(`JSON ${part}`, `${ok}${ok}{"a":"${part.repeat(many / part.length)}\n${ok}`, 3)
})

test('one line of 100 MB is one rejected line, and the next is read', async () => {
  const megabytes = amount(12, 100)
  const piece = Buffer.alloc(2 ** 20, 'x')
  const source = {
    ...sourceOf(Buffer.alloc(0)),
    async *bytes() {
      yield Buffer.from(`cusip,ticker\n${rest}`)
      for (let n = 0; n < megabytes; n += 1) yield piece
      yield Buffer.from(`\n594918104,MSFT\n`)
    },
  }
  const before = process.memoryUsage().rss
  const { sightings, rejects } = await readout(source)
  assert.equal(
    sightings.map(({ ticker }) => ticker),
    ['AAPL', 'MSFT'],
  )
  assert.equal(
    rejects.map(({ place }) => place.line),
    [3],
  )
  const grown = Math.round((process.memoryUsage().rss - before) / 2 ** 20)
  assert.ok(grown < 250, `${grown} MB more`)
})

test('what is kept of long records does not keep the records', async () => {
  const count = amount(60, 600)
  const long = 'y'.repeat(3_500_000)
  const source = {
    ...sourceOf(Buffer.alloc(0)),
    async *bytes() {
      yield Buffer.from('[')
      for (let n = 0; n < count; n += 1)
        yield Buffer.from(
          `{"cusip":"${makeCusip(n)}","ticker":"T${n}","name":"name number ${n} is kept","date":${n % 2 ? `"${long}"` : '"2021-03-09"'},"x":"${long.slice(0, 300_000)}"},`,
        )
      yield Buffer.from('{"cusip":"000361105","ticker":"AIR"}]')
    },
  }
  const { sightings, rejects } = await readout(source)
  assert.is(sightings.length, count / 2 + 1)
  assert.is(rejects.length, count / 2)
  // Else what is counted depends on when it was collected last.
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  const heap = Math.round(process.memoryUsage().heapUsed / 2 ** 20)
  const whole = Math.round((count / 2) * 3.8)
  assert.ok(heap < amount(60, 250), `${heap} MB of ${whole}`)
  figure(`${heap} MB of heap after ${whole + count / 2} MB of long records`)
})

test('keys that mean something to JavaScript are keys', async () => {
  const keys = [
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'prototype',
    'valueOf',
    '__defineGetter__',
  ]
  for (const key of keys) {
    const inner = `{"ticker":"AAPL","${key}":{"ticker":"EVIL","status":"error"}}`
    for (const text of [
      `{"037833100":${inner}}`,
      `{"${key}":{"ticker":"EVIL"},"037833100":"AAPL"}`,
      `{"037833100":"AAPL"}\n{"${key}":{"ticker":"EVIL"}}\n`,
      `{"mappings":{"${key}":null,"037833100":"AAPL"}}`,
    ]) {
      const { sightings } = await readout(sourceOf(Buffer.from(text)))
      assert.equal(
        sightings.map(({ value, ticker }) => [value, ticker]),
        [['037833100', 'AAPL']],
        text,
      )
    }
    const columns = await readout(sourceOf(Buffer.from(`${key},cusip,ticker\nEVIL,037833100,AAPL\n`)))
    assert.is(columns.sightings[0]?.ticker, 'AAPL')
  }
  assert.is(({} as { ticker?: string }).ticker, undefined)
})

test('dates and numbers of every nonsense are no dates', async () => {
  const dates = [
    '2021-13-01',
    '2021-02-30',
    '03/09/2021',
    '99999999',
    '1e9',
    '-1',
    'NaN',
    'Infinity',
    '0',
    '٢٠٢١-٠٣-٠٩',
    '2021-03-09T25:00Z',
    '2021-03-09T00:00:00+99:99',
    '275760-09-13',
    '-271821-04-20',
    'now',
    'yesterday',
    '1'.repeat(1_000),
    '2021-03-09\0',
    '20210309'.repeat(2),
  ]
  for (const date of dates) {
    const { sightings, rejects } = await readout(
      sourceOf(Buffer.from(`cusip,ticker,date\n037833100,AAPL,${date}\n`)),
    )
    assert.is(sightings.length + rejects.length, date.includes('\0') ? 0 : 1)
    assert.is(sightings.length, 0, `${date} was taken for ${sightings[0]?.from}`)
  }
  for (const number of ['1e999', '-1e999', '1'.repeat(1_000), '0.1e-400', '123456789012345678901234567890'])
    for (const text of [
      `{"037833100":{"ticker":"A","date":${number}}}`,
      `[{"cusip":${number},"ticker":"A"}]`,
      `{"037833100":${number}}`,
    ]) {
      const { sightings, rejects, error } = await readout(sourceOf(Buffer.from(text)))
      assert.is(sightings.length, 0, text)
      assert.ok(rejects.length === 1 || error, text)
    }
})

test('headers that come twice are one rejected line', async () => {
  const { sightings, rejects } = await readout(
    sourceOf(Buffer.from(`cusip,ticker\n${rest}cusip,ticker\n594918104,MSFT\n`)),
  )
  assert.is(sightings.length, 2)
  assert.is(rejects.length, 1)
})

test.run()
