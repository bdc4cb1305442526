import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  cleanIdentifier,
  completeCusip,
  countryOfIsin,
  cusipCheckDigit,
  type Identifier,
  identify,
  isCins,
  isinCheckDigit,
  isinOfCusip,
  normalizeCusip,
  normalizeIdentifier,
  normalizeIsin,
  parseIdentifierType,
  sisters,
} from '../../src/identifiers.ts'
import fc from '../support/fast_check.ts'
import { isCusip, isIsin, isinOf, makeCins, makeCusip, makeIsin } from '../support/identifiers_maker.ts'

const test = suite('identifiers')

const number = fc.integer({ min: 0, max: 200_000_000 })
const cusipCharacters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*@#'
const eight = fc.string({ unit: fc.constantFrom(...cusipCharacters), minLength: 8, maxLength: 8 })
const cusip = fc.oneof(
  number.map(makeCusip),
  number.map(makeCins),
  eight.filter((first8) => first8 !== '00000000').map((first8) => first8 + cusipCheckDigit(first8)),
)
const country = fc.constantFrom('US', 'CA', 'KY', 'BM', 'XS', 'EU', 'AN', 'CS', 'IL', 'ZZ')
const isin = fc.tuple(number, country).map(([n, prefix]) => makeIsin(n, prefix))
const anyCodeUnits = fc.string({
  unit: fc.oneof(
    fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
    fc.constantFrom(...cusipCharacters, ' ', '-'),
  ),
  maxLength: 40,
})

/** Tells the type by the shape alone, as the helpers of the tests work it out. */
const valid = (text: string) => isIsin(text) || (isCusip(text) && text !== '000000000')

for (const [raw, type, value] of [
  ['037833100', 'CUSIP', '037833100'],
  ['084670702', 'CUSIP', '084670702'],
  ['78462F103', 'CUSIP', '78462F103'],
  ['78462f103', 'CUSIP', '78462F103'],
  ['G3788M114', 'CUSIP', 'G3788M114'],
  ['37833100', 'CUSIP', '037833100'],
  ['\u200b 0378\u00a0331-00\r\n', 'CUSIP', '037833100'],
  ['US0378331005', 'ISIN', 'US0378331005'],
  ['us-037833100 5', 'ISIN', 'US0378331005'],
  ['XS0203470157', 'ISIN', 'XS0203470157'],
  ['EU000A1G0AE8', 'ISIN', 'EU000A1G0AE8'],
  ['ANN4327C1220', 'ISIN', 'ANN4327C1220'],
] as const) {
  test(`${JSON.stringify(raw)} is the ${type} ${value}`, () => {
    assert.equal(identify(raw), { type, value })
    assert.equal(normalizeIdentifier(type, raw), { type, value })
    assert.is(normalizeIdentifier(type === 'CUSIP' ? 'ISIN' : 'CUSIP', raw), null)
  })
}

for (const [raw, why] of [
  ['', 'nothing'],
  ['-', 'nothing once clean'],
  ['037833101', 'a wrong check digit'],
  ['US0378331006', 'a wrong check digit'],
  ['03783310', 'eight characters, the check digit missing: not to be taken for one that lost a zero'],
  ['3.027E+102', 'ruined by a spreadsheet beyond repair'],
  ['000000000', 'how vendors write none'],
  ['00000000', 'none, with a zero lost'],
  ['0', 'none, with all but one zero lost'],
  ['83310', 'too short for a number that lost three zeros'],
  ['03783310O', 'a letter for the check digit'],
  ['U10378331005', 'a prefix that is no two letters'],
  ['037833100\0', 'a NUL'],
  ['037833100\ud800', 'half a surrogate pair'],
  ['０３７８３３１００', 'full-width digits'],
  ['us037833100ı', 'a dotless i, which is no ASCII letter'],
  ["'037833100", 'an apostrophe, which is no blank'],
] as const) {
  test(`${JSON.stringify(raw)} is no identifier: ${why}`, () => {
    assert.is(identify(raw), null)
  })
}

test('nothing in is nothing out', () => {
  for (const nothing of [null, undefined]) {
    assert.is(identify(nothing), null)
    assert.is(normalizeIdentifier(nothing, '037833100'), null)
    assert.is(normalizeIdentifier('CUSIP', nothing), null)
    assert.is(completeCusip(nothing), null)
    assert.is(isinOfCusip(nothing, 'US'), null)
    assert.is(isinOfCusip('037833100', nothing), null)
    assert.is(isCins(nothing), false)
  }
})

test('a private placement (PPN) may hold *, @ and #, which count 36, 37 and 38', () => {
  // 0 0 7 0 7 8 [* = 36: 3+6] [@ = 37, doubled 74: 7+4] = 0 + 0 + 7 + 0 + 7 + (16: 1+6) + 9 + 11 = 41, so 9
  assert.is(cusipCheckDigit('007078*@'), '9')
  // ... and # = 38: 3+8 = 11 in place of 9 makes 43, so 7
  assert.is(cusipCheckDigit('007078#@'), '7')
  assert.equal(identify('007078*@9'), { type: 'CUSIP', value: '007078*@9' })
  assert.equal(sisters({ type: 'CUSIP', value: '007078*@9' }), [], 'no ISIN can hold them')
})

test('cleaning removes blanks and hyphens anywhere and raises ASCII letters alone', () => {
  assert.is(cleanIdentifier(' \t\n\r\f\v\u00a0\u2007\u200b\u202f\ufeff-aZ-'), 'AZ')
  assert.is(cleanIdentifier('ıßſéµ'), 'ıßſéµ')
  assert.is(cleanIdentifier("'.‐−_\u2009\u3000\u0085"), "'.‐−_\u2009\u3000\u0085")
})

test("a type's name is read in any case, with blanks around it but not inside", () => {
  assert.is(parseIdentifierType('cusip'), 'CUSIP')
  assert.is(parseIdentifierType(' \tIsin\u00a0'), 'ISIN')
  for (const other of ['', ' ', 'CU SIP', 'CU-SIP', 'ısin', 'ISINS', 'FIGI', 'CUSIP\0', '__proto__']) {
    assert.is(parseIdentifierType(other), null, other)
  }
})

test('the check digits want clean input of the exact length', () => {
  for (const wrong of ['', '0378331', '037833100', '0378331o', '0378331 ', '\ud8000378331', '０3783310']) {
    assert.is(cusipCheckDigit(wrong), null, wrong)
  }
  for (const wrong of ['', 'US03783310', 'US0378331005', 'us037833100', 'U1037833100', 'US03783310*']) {
    assert.is(isinCheckDigit(wrong), null, wrong)
  }
})

test('every CUSIP and ISIN that the helpers make is found, as it is', () => {
  fc.assert(fc.property(cusip, (value) => assert.equal(identify(value), { type: 'CUSIP', value })))
  fc.assert(fc.property(isin, (value) => assert.equal(identify(value), { type: 'ISIN', value })))
})

test('a changed character is caught, or makes another value that its check digit proves', () => {
  const change = fc.tuple(
    fc.oneof(cusip, isin),
    fc.nat(11),
    fc.oneof(fc.constantFrom(...cusipCharacters), fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })),
  )
  fc.assert(
    fc.property(change, ([value, place, character]) => {
      const at = place % value.length
      const changed = cleanIdentifier(value.slice(0, at) + character + value.slice(at + 1))
      const found = identify(changed)
      if (found?.value.length === changed.length) assert.is(valid(changed), true)
      else assert.is(valid(changed), false)
    }),
    { numRuns: 2000 },
  )
})

test('a changed digit is always caught', () => {
  fc.assert(
    fc.property(fc.oneof(cusip, isin), fc.nat(11), fc.integer({ min: 1, max: 9 }), (value, place, shift) => {
      const at = place % value.length
      fc.pre(/[0-9]/.test(value.charAt(at)))
      const digit = (Number(value.charAt(at)) + shift) % 10
      assert.is(identify(value.slice(0, at) + digit + value.slice(at + 1)), null)
    }),
    { numRuns: 2000 },
  )
})

test('a CUSIP completed is valid, and completing it again changes nothing', () => {
  fc.assert(
    fc.property(eight, (first8) => {
      const whole = completeCusip(first8.toLowerCase())
      if (first8 === '00000000') return assert.is(whole, null)
      assert.is(whole, first8 + cusipCheckDigit(first8))
      assert.is(completeCusip(whole), whole)
      assert.is(normalizeCusip(whole), whole)
    }),
  )
  for (const wrong of ['0378331', '037833101', '0378331 ', '000000000', 'US0378331005', '']) {
    assert.is(completeCusip(wrong), null, wrong)
  }
})

test('repair adds leading zeros, three at most, and nothing else', () => {
  const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 9 })
  const lostZeros = fc
    .oneof(fc.integer({ min: 1, max: 9_999 }), fc.integer({ min: 10_000, max: 99_999_999 }))
    .map((first8) => String(first8).padStart(8, '0'))
    .map((first8) => `${first8}${cusipCheckDigit(first8)}`.replace(/^0+/, ''))
  let repaired = 0
  fc.assert(
    fc.property(fc.oneof(digits, lostZeros, cusip), (raw) => {
      const found = normalizeCusip(raw)
      if (found === null || found === raw) return
      repaired += 1
      assert.match(raw, /^[1-9][0-9]{5,7}$/)
      assert.is(found, raw.padStart(9, '0'))
      assert.is(isCusip(found), true)
    }),
    { numRuns: 2000 },
  )
  assert.ok(repaired > 0)
})

test('no text whatever throws, and what comes back is valid and normal', () => {
  fc.assert(
    fc.property(anyCodeUnits, anyCodeUnits, (text, other) => {
      for (const found of [identify(text), normalizeIdentifier(other, text)]) {
        if (found === null) continue
        assert.is(valid(found.value), true)
        assert.equal(normalizeIdentifier(found.type, found.value), found)
        assert.equal(identify(found.value), found)
      }
      assert.is(cleanIdentifier(cleanIdentifier(text)), cleanIdentifier(text))
      for (const call of [
        completeCusip,
        normalizeIsin,
        isCins,
        countryOfIsin,
        cusipCheckDigit,
        isinCheckDigit,
      ]) {
        call(text)
      }
      isinOfCusip(text, other)
    }),
    { numRuns: 5000 },
  )
})

test('a megabyte is an input like any other', () => {
  const started = performance.now()
  for (const filling of [' ', '-', '0', 'a', '\u00a0', '€', '😀', '\ud800', '0 ']) {
    const long = filling.repeat(1_000_000 / filling.length)
    assert.is(identify(long), null)
    assert.is(parseIdentifierType(`${long}x`), null)
    assert.is(isinOfCusip(long, long), null)
    assert.is(completeCusip(long), null)
  }
  assert.is(normalizeCusip(`${' '.repeat(1_000_000)}037833100`), '037833100')
  assert.is(parseIdentifierType(`${' '.repeat(1_000_000)}cusip`), 'CUSIP')
  assert.ok(performance.now() - started < 20_000, 'linear, not quadratic')
})

test('the ISIN of a CUSIP has the computed check digit', () => {
  assert.is(isinOfCusip('037833100', 'US'), 'US0378331005')
  assert.is(isinOfCusip('37833100', ' us '), 'US0378331005')
  for (const wrong of ['', 'U', 'USA', 'U1', 'ÜS', 'U S'])
    assert.is(isinOfCusip('037833100', wrong), null, wrong)
  fc.assert(
    fc.property(number, country, (n, prefix) => {
      assert.is(isinOfCusip(makeCusip(n), prefix), isinOf(prefix, makeCusip(n)))
    }),
  )
})

test('a US or CA ISIN and its CUSIP are sisters; other prefixes have none', () => {
  const apple: Identifier = { type: 'ISIN', value: 'US0378331005' }
  assert.equal(sisters(apple), [{ type: 'CUSIP', value: '037833100' }])
  assert.equal(sisters({ type: 'CUSIP', value: '037833100' }), [
    apple,
    { type: 'ISIN', value: 'CA0378331007' },
  ])
  assert.equal(sisters({ type: 'ISIN', value: makeIsin(1, 'KY') }), [])
  assert.equal(sisters({ type: 'ISIN', value: isinOf('IL', '037833100') }), [], 'valid by coincidence')
  assert.equal(sisters({ type: 'ISIN', value: isinOf('US', '037833101') }), [], 'no CUSIP inside')
  assert.equal(sisters({ type: 'ISIN', value: isinOf('US', '000000000') }), [], 'none inside')
  fc.assert(
    fc.property(cusip, (value) => {
      for (const sister of sisters({ type: 'CUSIP', value })) {
        assert.equal(identify(sister.value), sister)
        assert.equal(sisters(sister), [{ type: 'CUSIP', value }])
      }
    }),
  )
})

test('a CINS is a CUSIP that begins with a letter', () => {
  assert.is(isCins('G3788M114'), true)
  assert.is(isCins(' g3788m114'), true)
  assert.is(isCins('037833100'), false)
  assert.is(isCins('G3788M115'), false)
  assert.is(isCins('US0378331005'), false)
})

test('the country of an ISIN is its prefix, country or not', () => {
  assert.is(countryOfIsin('US0378331005'), 'US')
  assert.is(countryOfIsin('xs0203470157'), 'XS')
  assert.is(countryOfIsin('US0378331006'), null)
  assert.is(countryOfIsin('037833100'), null)
})

test.run()
