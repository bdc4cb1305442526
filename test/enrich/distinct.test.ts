import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Distinct } from '../../src/enrich/distinct.ts'
import { Recent } from '../../src/enrich/recent.ts'
import fc from '../support/fast_check.ts'
import { cusipCheckDigit, isinOf, makeCins, makeCusip, makeIsin } from '../support/identifiers_maker.ts'

const character = (alphabet: string) => fc.constantFrom(...alphabet)
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
const eight = fc.string({ unit: character(`01Z*@#${letters.slice(0, 3)}`), minLength: 8, maxLength: 8 })
const nine = fc.string({ unit: character(`01Z${letters.slice(0, 3)}`), minLength: 9, maxLength: 9 })
const identifier = fc.oneof(
  eight.map((text) => text + cusipCheckDigit(text)),
  fc.tuple(character('AZ'), character('AZ'), nine).map(([a, b, text]) => isinOf(a + b, text)),
)

test('counts as a Set does, whatever the identifiers', () => {
  fc.assert(
    fc.property(fc.array(identifier, { maxLength: 60 }), (values) => {
      const distinct = new Distinct()
      for (const value of [...values, ...values]) distinct.add(value)
      assert.is(distinct.count, new Set(values).size)
    }),
  )
})

test('grows with what is counted', () => {
  const distinct = new Distinct()
  for (let round = 0; round < 2; round += 1) {
    for (let n = 0; n < 30_000; n += 1)
      for (const value of [makeCusip(n), makeCins(n), makeIsin(n)]) distinct.add(value)
  }
  distinct.add('000000000') // where all digits are zero
  assert.is(distinct.count, 90_001)
})

test('what is recent is remembered, what is used stays, and the rest goes', () => {
  const recent = new Recent<number>(3)
  for (let n = 0; n < 9; n += 1) {
    recent.set(`n${n}`, n)
    assert.is(recent.get('n0'), 0)
  }
  assert.is(recent.get('n8'), 8)
  assert.is(recent.get('n1'), undefined)
})

test.run()
