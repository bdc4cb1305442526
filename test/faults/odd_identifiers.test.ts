import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { identifierIn, isLikeIdentifier } from '../../src/holdings/holdings.ts'
import * as identifiers from '../../src/identifiers.ts'
import { identifierOf } from '../../src/import/sightings.ts'
import { amount } from '../support/at_length.ts'
import fc from '../support/fast_check.ts'
import { figure } from '../support/figure.ts'
import { isCusip, isIsin } from '../support/identifiers_maker.ts'
import { oddText } from '../support/odd_identifiers.ts'

const removed = '- \t\n\r\f\v\u00a0\u200b\ufeff\u2007\u202f'

/** The rules of docs/identifiers.md, once more and by other means than src/identifiers.ts. */
function expectedOf(text: string): { cusip: string | null; isin: string | null } {
  const clean = [...text]
    .filter((character) => !removed.includes(character))
    .map((character) => (/^[a-z]$/.test(character) ? character.toUpperCase() : character))
    .join('')
  const isShort = /^[1-9]\d{5,7}$/.test(clean)
  const whole = isShort ? '0'.repeat(9 - clean.length) + clean : clean
  return {
    cusip: isCusip(whole) && whole !== '000000000' ? whole : null,
    isin: isIsin(clean) ? clean : null,
  }
}

const cases = amount(100_000, 600_000)

test('any text is the identifier that the rules make of it, or none', () => {
  const found = { cusip: 0, isin: 0, none: 0 }
  fc.assert(
    fc.property(oddText, (text) => {
      const { cusip, isin } = expectedOf(text)
      found[cusip !== null ? 'cusip' : isin !== null ? 'isin' : 'none'] += 1
      const either = isin !== null ? { type: 'ISIN', value: isin } : cusip && { type: 'CUSIP', value: cusip }
      assert.is(identifiers.normalizeCusip(text), cusip)
      assert.is(identifiers.normalizeIsin(text), isin)
      assert.equal(identifiers.identify(text), either)
      assert.is(identifiers.normalizeIdentifier(' isin', text)?.value ?? null, isin)
      assert.is(identifiers.normalizeIdentifier(text, text), null)
      const completed = identifiers.completeCusip(text)
      assert.ok(completed === null || isCusip(completed))
      for (const { type, value } of either ? identifiers.sisters(either as identifiers.Identifier) : [])
        assert.ok(type === 'CUSIP' ? isCusip(value) : isIsin(value))
      // The readers of files take the same, and a type or an apostrophe before it.
      if (either) {
        assert.equal(identifierOf(undefined, text), either)
        assert.is(identifierIn(text)?.value, either.value)
      } else isLikeIdentifier(text)
    }),
    { numRuns: cases },
  )
  for (const [kind, count] of Object.entries(found)) assert.ok(count > cases / 50, `${kind}: only ${count}`)
  figure(`${cases.toLocaleString('en-US')} texts`)
})

/** What takes the square of its length shows at the shorter one, too. */
const longest = amount(2 ** 17, 2 ** 20)

test('a megabyte is told to be none as fast as it is read', () => {
  const fillings = [
    ' ',
    '-',
    '0',
    'A',
    'a',
    '*',
    '€',
    '\0',
    '\ud83d',
    '０',
    'ı',
    '"',
    '=',
    "'",
    'US',
    'CUSIP:',
    ' 0',
  ]
  const began = performance.now()
  for (const filling of fillings) {
    const long = filling.repeat(longest / filling.length)
    for (const text of [long, `037833100${long}`, `${long}037833100`, `CUSIP:${long}`, `="${long}`]) {
      const isBlank = removed.includes(filling) && text.includes('037833100')
      for (const work of [
        () => identifiers.cleanIdentifier(text).length,
        () => identifiers.completeCusip(text),
        () => identifiers.isinOfCusip(text, text),
        () => identifiers.parseIdentifierType(text),
        () => identifierOf(undefined, text),
        () => identifierIn(text),
        () => isLikeIdentifier(text),
      ])
        work()
      assert.is(identifiers.normalizeCusip(text), isBlank ? '037833100' : null)
      assert.is(identifiers.normalizeIsin(text), null)
    }
  }
  const milliseconds = performance.now() - began
  const each = milliseconds / (fillings.length * 5)
  // The square of such a length takes minutes.
  assert.ok(each < 5_000, `${Math.round(each)} ms for one text in all nine functions`)
  figure(`${longest / 2 ** 20} MB: ${Math.round(each)} ms for nine functions`)
})

test.run()
