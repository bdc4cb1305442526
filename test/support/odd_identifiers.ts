import fc from './fast_check.ts'
import { cusipCheckDigit, isinOf, makeCins, makeCusip, makeIsin } from './identifiers_maker.ts'

/** Characters that one of two implementations might take for another: blanks, hyphens, digits and letters that are none. */
export const confusing = fc.constantFrom(
  ...' \t\n\r\f\v-\u00a0\u200b\ufeff\u2007\u202f',
  ...'\u0085\u1680\u2003\u2009\u2028\u3000\u2060\u00ad‐‑–−_\'"\\.,+;{}%\u0001\u001f\u007f\u0300',
  ...'\u200c\u200d\u200e\u200f\u202a\u202e\u2066\u2069\u061c',
  ...'ıİßſKÅéµǅÿ０９ＡＺａ３٣²Ⅷ😀𝟎',
  ...'0123456789abczABCZ*@#',
)

/** A valid identifier of any kind, or something close to one. */
const seed = fc.oneof(
  fc.nat(200_000_000).map(makeCusip),
  fc.nat(200_000_000).map(makeCins),
  fc
    .tuple(fc.nat(200_000_000), fc.constantFrom('US', 'CA', 'KY', 'XS', 'EU', 'AN', 'IL', 'ZZ'))
    .map(([n, country]) => makeIsin(n, country)),
  fc
    .string({
      unit: fc.constantFrom(...'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*@#'),
      minLength: 8,
      maxLength: 8,
    })
    .map((first8) => first8 + cusipCheckDigit(first8)),
  fc
    .string({
      unit: fc.constantFrom(...'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'),
      minLength: 9,
      maxLength: 9,
    })
    .map((nine) => isinOf('US', nine)),
  fc
    .oneof(fc.integer({ min: 1, max: 9_999 }), fc.integer({ min: 10_000, max: 99_999_999 }))
    .map((n) => String(n).padStart(8, '0'))
    .map((first8) => first8 + cusipCheckDigit(first8)),
  fc.constantFrom('000000000', '00000000', '3.027E+102', '007078*@9'),
)

/** What happens to identifiers on their way: in lower case, zeros or the check digit lost, blanks, typing errors. */
const damage: fc.Arbitrary<(text: string) => string> = fc.oneof(
  fc.constant((text: string) => text.toLowerCase()),
  fc.constant((text: string) => text.replace(/^0+/, '')),
  fc.constant((text: string) => text.slice(0, -1)),
  fc.nat(12).map((place) => (text: string) => text.slice(0, place) + text.slice(place + 1)),
  fc.tuple(fc.nat(12), confusing).map(
    ([place, added]) =>
      (text: string) =>
        text.slice(0, place) + added + text.slice(place),
  ),
  fc.tuple(fc.nat(12), confusing).map(
    ([place, other]) =>
      (text: string) =>
        text.slice(0, place) + other + text.slice(place + 1),
  ),
)

/** Identifiers, whole or with up to three damages. */
const damagedIdentifier = fc
  .tuple(seed, fc.array(damage, { maxLength: 3 }))
  .map(([text, damages]) => damages.reduce((before, change) => change(before), text))

/** Any UTF-16 code units: NUL, halves of pairs, everything. */
const anyUnits = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 })
  .map((units) => String.fromCharCode(...units))

/** What may come in the place of an identifier: mostly nearly one. */
export const oddText = fc.oneof(
  { weight: 6, arbitrary: damagedIdentifier },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }) },
  { weight: 1, arbitrary: anyUnits },
  { weight: 1, arbitrary: fc.string({ unit: confusing, maxLength: 14 }) },
)
