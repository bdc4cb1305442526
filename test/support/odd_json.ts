/** JSON of any shape that is close enough to an answer of OpenFIGI to be mistaken for one. */
import fc from './fast_check.ts'

/** What means something, and what might be taken for it. */
export const oddWords = fc.constantFrom(
  'No identifier found.',
  'No identifier found',
  ' No identifier found. ',
  'Invalid idValue format.',
  '',
  ' ',
  'AAPL',
  'BBG000B9XRY4',
  'a\0b',
  '\ud800',
  '\u202e',
  '\u001b[2J',
  '<script>',
  "'); drop table",
  'x'.repeat(200),
  '1e400',
)

const keys = fc.constantFrom(
  'data',
  'warning',
  'error',
  'figi',
  'ticker',
  'name',
  'exchCode',
  'compositeFIGI',
  '__proto__',
  'constructor',
  'toString',
  'length',
)

/** As text, so that a key may stand twice, a number be out of range, and `__proto__` be a key like any other. */
export const { oddJson } = fc.letrec<{ oddJson: string }>((tie) => ({
  oddJson: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    oddWords.map((word) => JSON.stringify(word)),
    fc.constantFrom('null', 'true', '0', '-0', '1e400', '"5"', '12345678901234567890', '[]', '{}'),
    fc.array(fc.tuple(keys, tie('oddJson')), { maxLength: 4 }).map(objectOf),
    fc.array(tie('oddJson'), { maxLength: 3 }).map((elements) => `[${elements.join()}]`),
  ),
}))

/** A listing with something odd in it, among others. */
export const oddListings = fc
  .array(fc.array(fc.tuple(keys, oddJson), { maxLength: 2 }), { minLength: 1, maxLength: 3 })
  .map((listings) => {
    const texts = listings.map((odd) => objectOf([['figi', '"BBG000B9XRY4"'], ['ticker', '"ODD"'], ...odd]))
    return `{"data":[${texts.join()}]}`
  })

/** A warning, with something odd beside it. */
export const oddWarnings = fc
  .tuple(oddWords, fc.array(fc.tuple(keys, oddJson), { maxLength: 1 }))
  .map(([warning, odd]) => objectOf([['warning', JSON.stringify(warning)], ...odd]))

function objectOf(pairs: readonly (readonly [key: string, json: string])[]): string {
  return `{${pairs.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join()}}`
}
