import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Sighting } from '../../src/import/records.ts'
import { amount } from '../support/at_length.ts'
import fc from '../support/fast_check.ts'
import { figure } from '../support/figure.ts'
import { isCusip, isIsin, makeCusip } from '../support/identifiers_maker.ts'
import { type Readout, readAt, readout, sourceOf } from '../support/memory_source.ts'

/** What one line says, and how a form spells it. */
interface Entry {
  readonly cusip: string
  readonly ticker: string
}

interface Form {
  readonly head: string
  line(entry: Entry): string
  readonly foot: string
}

/** Forms whose lines stand for themselves. */
const ofLines: Readonly<Record<string, Form>> = {
  csv: { head: 'cusip,ticker,date', line: (e) => `${e.cusip},${e.ticker},2021-03-09`, foot: '' },
  quoted: { head: '"cusip";"ticker"', line: (e) => `"${e.cusip}";"${e.ticker}"`, foot: '' },
  tsv: { head: 'Ticker\tName\tCUSIP', line: (e) => `${e.ticker}\tJohn's\t${e.cusip}`, foot: '' },
  jsonl: {
    head: '{"cusip":"000361105","ticker":"AIR"}',
    line: (e) => `{"cusip":"${e.cusip}","ticker":"${e.ticker}","date":"2021-03-09"}`,
    foot: '{"cusip":"000361105","ticker":"AIR"}',
  },
  ftd: {
    head: 'SETTLEMENT DATE|CUSIP|SYMBOL|QUANTITY (FAILS)|DESCRIPTION|PRICE',
    line: (e) => `20210309|${e.cusip}|${e.ticker}|100|NAME|1.00`,
    foot: 'Trailer record count 3',
  },
}

/** One JSON value. */
const ofValue: Readonly<Record<string, Form>> = {
  map: { head: '{', line: (e) => `"${e.cusip}": "${e.ticker}",`, foot: '"000361105": null}' },
  nested: {
    head: '{"updated_at": "2021-03-09", "mappings": {',
    line: (e) => `"${e.cusip}": {"ticker": "${e.ticker}"},`,
    foot: '"000361105": null}, "version": 2}',
  },
  list: {
    head: '[',
    line: (e) => `{"cusip":"${e.cusip}","ticker":"${e.ticker}"},`,
    foot: '{"cusip":"000361105","ticker":null}]',
  },
}

/** Bytes that mean something to some reader, and others. */
const oddBytes = fc.oneof(
  fc
    .constantFrom(
      ...[
        '"',
        "'",
        ',',
        ';',
        '\t',
        '|',
        '{',
        '}',
        '[',
        ']',
        ':',
        '\\',
        '\\u',
        '\\ud800',
        '\0',
        '#',
        '=',
        '-',
        'e9',
        '1e999',
      ],
      ...[
        '"a"b"',
        '""',
        'null',
        'NaN',
        '__proto__',
        '"__proto__":{"ticker":"EVIL"},',
        '"constructor":null,',
        '1'.repeat(1000),
      ],
      ...[
        '\ufeff',
        '９',
        'ß',
        '\u2028',
        '\u0085',
        '\x1f\x8b',
        'PK\x03\x04',
        'sep=;',
        'Trailer ',
        '{"pgfigi_dump":1}',
      ],
    )
    .map((text) => Buffer.from(text)),
  fc.uint8Array({ min: 1, minLength: 1, maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
)

const lineBreak = fc.constantFrom('\n', '\r\n', '\r')

interface Damage {
  readonly line: number
  readonly place: number
  readonly removed: number
  readonly added: Buffer
}

const damage: fc.Arbitrary<Damage> = fc.record({
  line: fc.nat(),
  place: fc.nat(60),
  removed: fc.nat(12),
  added: oddBytes,
})

const hasOddQuotes = (line: Uint8Array) => line.filter((byte) => byte === 34).length % 2 === 1

const isBreak = (byte: number) => byte === 10 || byte === 13

/** A line with something else in the place of some of its bytes, in which no line ends. */
function damagedLine(text: string, { place, removed, added }: Damage): Buffer {
  const bytes = Buffer.from(text)
  const at = Math.min(place, bytes.length)
  const whole = Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + removed)])
  return Buffer.from(whole.filter((byte) => !isBreak(byte)))
}

const entriesOf = (count: number, from: number): Entry[] =>
  Array.from({ length: count }, (_, n) => ({
    cusip: makeCusip(from + n),
    ticker: `T${(from + n).toString(36).toUpperCase()}`,
  }))

const briefly = ({ value, ticker }: Sighting) => `${value} ${ticker}`

/** Nothing that is read may be otherwise, whatever the file holds. */
function requireSound({ items }: Readout): void {
  for (const item of items) {
    if (item.kind === 'reject') {
      assert.ok(item.reason.length > 5 && item.reason.length < 400, item.reason)
      assert.ok(item.text.length <= 1_003)
      assert.ok(item.place.line >= 1)
    }
    if (item.kind !== 'sighting') continue
    assert.ok(item.type === 'CUSIP' ? isCusip(item.value) : isIsin(item.value), item.value)
    const { ticker } = item
    assert.ok(
      ticker === null || (ticker !== '' && ticker.isWellFormed() && !/[\p{Cc}\ufffd]/u.test(ticker)),
      String(ticker),
    )
    assert.ok(ticker === null || ticker.length <= 60)
    for (const instant of [item.from, item.until, item.heldAt]) {
      assert.ok(instant === null || Number.isFinite(new Date(instant).getTime()))
      assert.ok(instant === null || instant <= readAt + 86_400_000)
    }
    for (const detail of Object.values(item.details ?? {}))
      assert.ok(detail.isWellFormed() && !detail.includes('\0'))
  }
}

const rows = 40
const files = amount(100, 900)

for (const [name, { head, line, foot }] of Object.entries(ofLines))
  test(`${name}: damaged lines cost themselves, and no other line says anything else`, async () => {
    let damaged = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(damage, { minLength: 1, maxLength: 8 }),
        fc.array(lineBreak, { minLength: rows + 3, maxLength: rows + 3 }),
        fc.nat(1_000_000),
        fc.integer({ min: 1, max: 3_000 }),
        async (damages, breaks, from, pieceSize) => {
          const entries = entriesOf(rows, from)
          const lines: Buffer[] = entries.map((entry) => Buffer.from(line(entry)))
          const touched = new Set<number>()
          for (const one of damages) {
            const place = one.line % rows
            lines[place] = damagedLine(line(entries[place] as Entry), one)
            touched.add(place)
          }
          damaged += touched.size
          const ended = [Buffer.from(head), ...lines, Buffer.from(foot)].flatMap((text, n) => [
            text,
            Buffer.from(breaks[n] ?? '\n'),
          ])
          const found = await readout(sourceOf(Buffer.concat(ended), pieceSize))
          requireSound(found)
          // Two of them may make a cell of what stands between them, by the rules of such tables.
          fc.pre(name === 'ftd' || name === 'jsonl' || lines.filter(hasOddQuotes).length < 2)
          if (lines.some((text) => text.includes(0))) {
            assert.match(found.error?.message ?? 'no error', /is no text/)
            return
          }
          assert.is(found.error, null)
          const untouched = entries.filter((_, n) => !touched.has(n))
          const expected = new Set(untouched.map(({ cusip, ticker }) => `${cusip} ${ticker}`))
          const said = found.sightings.map(briefly).filter((text) => expected.has(text))
          assert.equal(said, [...expected], 'every untouched line is read, once and in order')
          const others = found.items.length - said.length - (name === 'jsonl' ? 2 : 0)
          // A line of JSON may come to hold several entries.
          const most = name === 'jsonl' ? 4 * touched.size : touched.size
          assert.ok(others <= most, `${others} items of ${touched.size} damaged lines`)
        },
      ),
      { numRuns: files },
    )
    figure(
      `${name}: ${damaged.toLocaleString('en-US')} damaged lines in ${files.toLocaleString('en-US')} files`,
    )
  })

for (const [name, { head, line, foot }] of Object.entries({ ...ofLines, ...ofValue }))
  test(`${name}: torn at any byte, what is read is what stands before the tear`, () =>
    fc.assert(
      fc.asyncProperty(
        fc.nat(),
        lineBreak,
        fc.nat(1_000_000),
        fc.integer({ min: 1, max: 500 }),
        async (tear, end, from, pieceSize) => {
          const entries = entriesOf(6, from)
          const whole = Buffer.from([head, ...entries.map(line), foot].join(end))
          const torn = whole.subarray(0, tear % whole.length)
          const found = await readout(sourceOf(torn, pieceSize))
          requireSound(found)
          const said = found.sightings.map(briefly)
          const full = (await readout(sourceOf(whole))).sightings.map(briefly)
          // The last line of a table may have been cut within its ticker, which nobody can tell.
          const last = said.at(-1) ?? ''
          const isCut = said.length > 0 && last !== full[said.length - 1]
          if (isCut)
            assert.ok(
              !name.startsWith('json') &&
                full[said.length - 1]?.startsWith(last.trimEnd().replace(/ null$/, '')),
              `${last} of ${full[said.length - 1]}`,
            )
          assert.equal(isCut ? said.slice(0, -1) : said, full.slice(0, said.length - (isCut ? 1 : 0)))
          if (name in ofValue && torn.toString().trim() !== '') assert.ok(found.error, 'a torn value is told')
        },
      ),
      { numRuns: files },
    ))

test('any bytes at all: an error with the name of the file, or what is sound', () =>
  fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
        fc.json({ maxDepth: 5 }).map((text) => Buffer.from(text)),
        fc.array(oddBytes, { maxLength: 40 }).map((all) => Buffer.concat(all)),
        fc
          .tuple(
            fc.constantFrom(...Object.values({ ...ofLines, ...ofValue })),
            fc.array(oddBytes, { maxLength: 20 }),
          )
          .map(([form, all]) =>
            Buffer.concat([
              Buffer.from(`${form.head}\n${entriesOf(2, 7).map(form.line).join('\n')}`),
              ...all,
              Buffer.from(form.foot),
            ]),
          ),
      ),
      fc.integer({ min: 1, max: 100 }),
      async (bytes, pieceSize) => {
        const found = await readout(sourceOf(bytes, pieceSize))
        requireSound(found)
        if (found.error) assert.match(found.error.message, /^file .+\.$/s)
        const again = await readout(sourceOf(bytes))
        assert.equal(again.sightings, found.sightings, 'in whatever pieces it comes')
      },
    ),
    { numRuns: files * 5 },
  ))

const table = `cusip,ticker\n${entriesOf(3, 5)
  .map(({ cusip, ticker }) => `${cusip},${ticker}`)
  .join('\n')}\n`
const utf16 = Buffer.from(`\ufeff${table}`, 'utf16le')
const utf32 = (isBig: boolean) =>
  Buffer.concat(
    [...`\ufeff${table}`].map((character) => {
      const bytes = Buffer.alloc(4)
      if (isBig) bytes.writeUInt32BE(character.codePointAt(0) ?? 0)
      else bytes.writeUInt32LE(character.codePointAt(0) ?? 0)
      return bytes
    }),
  )

const encodings: Readonly<Record<string, [Buffer, 'read' | RegExp]>> = {
  'UTF-8': [Buffer.from(table), 'read'],
  'UTF-8 with a mark': [Buffer.from(`\ufeff${table}`), 'read'],
  'UTF-16 LE': [utf16, 'read'],
  'UTF-16 BE': [Buffer.from(utf16).swap16(), 'read'],
  'UTF-16 LE without a mark': [utf16.subarray(2), /is no text/],
  'UTF-16 BE without a mark': [Buffer.from(utf16).swap16().subarray(2), /is no text/],
  'UTF-32 LE': [utf32(false), /is no text/],
  'UTF-32 BE': [utf32(true), /is no text/],
  'an old Excel workbook': [
    Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), Buffer.alloc(600)]),
    /is no text/,
  ],
}

for (const [encoding, [bytes, expected]] of Object.entries(encodings))
  test(`${encoding}: ${expected === 'read' ? 'read' : 'refused in a sentence'}`, async () => {
    for (const pieceSize of [2, 3, 5, 1_000]) {
      const { sightings, error } = await readout(sourceOf(bytes, pieceSize))
      if (expected === 'read') assert.is(sightings.length, 3, error?.message)
      else assert.match(error?.message ?? 'no error', expected)
    }
  })

test('Latin-1 and Shift-JIS names do not cost the record, and stay storable', async () => {
  for (const name of [Buffer.from('Société Générale', 'latin1'), Buffer.from('83675a838836', 'hex')]) {
    const bytes = Buffer.concat([
      Buffer.from('cusip,ticker,name\n037833100,AAPL,'),
      name,
      Buffer.from('\n594918104,MSFT,x\n'),
    ])
    const found = await readout(sourceOf(bytes))
    requireSound(found)
    assert.equal(found.sightings.map(briefly), ['037833100 AAPL', '594918104 MSFT'])
  }
})

test.run()
