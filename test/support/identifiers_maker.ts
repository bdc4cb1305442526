/**
 * Makes any number of valid identifiers: the same n always gives the same one, and distinct n give distinct ones.
 * The check digits are worked out here and not by src/identifiers.ts on purpose: two independent implementations that
 * agree are evidence, one that agrees with itself is not.
 */

const CUSIP_ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*@#'
const DIGITS = '0123456789'
const ISSUER_LETTERS = '0123456789ABCDEFGHJKLMNPQRSTUVWXYZ' // issuers use no I and no O
const CINS_COUNTRIES = 'ABCDEFGHJKLMNPQRSTUVWXY'
const CUSIP_ISSUER = [DIGITS, DIGITS, DIGITS, ISSUER_LETTERS, ISSUER_LETTERS, ISSUER_LETTERS]
const CINS_ISSUER = [CINS_COUNTRIES, DIGITS, DIGITS, DIGITS, ISSUER_LETTERS, ISSUER_LETTERS]
const NATIONAL_NUMBER = Array<string>(9).fill(DIGITS)

/** ISIN prefixes whose characters 3 to 11 are a CUSIP, and those where they are a CINS. */
export const CUSIP_COUNTRIES = ['US', 'CA']
export const CINS_ISIN_COUNTRIES = ['KY', 'BM', 'VG', 'MH', 'PA', 'LR', 'BS']

export function cusipCheckDigit(eight: string): string {
  let sum = 0
  for (let i = 0; i < 8; i++) {
    const value = CUSIP_ALPHABET.indexOf(eight.charAt(i)) * (i % 2 === 1 ? 2 : 1)
    sum += Math.floor(value / 10) + (value % 10)
  }
  return String((10 - (sum % 10)) % 10)
}

function isinCheckDigit(eleven: string): string {
  let sum = 0
  let double = true // from the right, the digit next to the check digit first
  for (let i = 10; i >= 0; i--) {
    const value = CUSIP_ALPHABET.indexOf(eleven.charAt(i))
    for (const digit of value > 9 ? [value % 10, Math.floor(value / 10)] : [value]) {
      const weighted = double ? digit * 2 : digit
      sum += weighted > 9 ? weighted - 9 : weighted
      double = !double
    }
  }
  return String((10 - (sum % 10)) % 10)
}

export function isCusip(value: string): boolean {
  return /^[0-9A-Z*@#]{8}[0-9]$/.test(value) && cusipCheckDigit(value) === value.charAt(8)
}

export function isIsin(value: string): boolean {
  return /^[A-Z]{2}[0-9A-Z]{9}[0-9]$/.test(value) && isinCheckDigit(value) === value.charAt(11)
}

export function isinOf(country: string, nine: string): string {
  return country + nine + isinCheckDigit(country + nine)
}

/** Begins with a digit: ID_CUSIP. Distinct for 0 <= n < 353 million. */
export function makeCusip(n: number): string {
  return withIssue(CUSIP_ISSUER, n)
}

/** So many of them, from number `from` on. */
export function makeCusips(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, n) => makeCusip(from + n))
}

/** Begins with a letter: ID_CINS. Distinct for 0 <= n < 239 million. */
export function makeCins(n: number): string {
  return withIssue(CINS_ISSUER, n)
}

/** `makeIsin(n)` contains `makeCusip(n)`, so that the two name one security; likewise KY and the like with CINS. */
export function makeIsin(n: number, country = 'US'): string {
  if (CUSIP_COUNTRIES.includes(country)) return isinOf(country, makeCusip(n))
  if (CINS_ISIN_COUNTRIES.includes(country)) return isinOf(country, makeCins(n))
  return isinOf(country, spell(NATIONAL_NUMBER, n))
}

/** Six characters of issuer; once those run out the issue goes from 10 to 20, 30 ... 90. */
function withIssue(issuer: string[], n: number): string {
  const issuers = issuer.reduce((product, alphabet) => product * alphabet.length, 1)
  const issue = 10 * (1 + Math.floor(n / issuers))
  if (!Number.isInteger(n) || n < 0 || issue > 90) throw new RangeError(`no identifier number ${n}`)
  const eight = spell(issuer, n % issuers) + issue
  return eight + cusipCheckDigit(eight)
}

/** Writes n in mixed radix after shuffling it by a prime that divides no radix: neighbours look unrelated, none collide. */
function spell(alphabets: string[], n: number): string {
  const total = alphabets.reduce((product, alphabet) => product * alphabet.length, 1)
  let rest = (n * 7_654_321 + 1_234_567) % total
  let text = ''
  for (const alphabet of alphabets.toReversed()) {
    text = alphabet.charAt(rest % alphabet.length) + text
    rest = Math.floor(rest / alphabet.length)
  }
  return text
}
