/**
 * CUSIP and ISIN: cleaning what people paste, proving check digits, telling the type, and the sister identifiers
 * of one security. The rules are those of the SQL functions of the same names (`migrations/fixtures/functions/`);
 * `test/sql/identifiers.test.ts` holds the two to the same answer on the same input.
 *
 * Nothing here throws for any string: whatever is no identifier is null.
 */

/** CUSIP stands for CINS and PPN, too. */
export type IdentifierType = 'CUSIP' | 'ISIN'

/** A security's identifier, always normalised: clean, complete, and proven by its check digit. */
export interface Identifier {
  readonly type: IdentifierType
  readonly value: string
}

/** What callers hand in: as in SQL, nothing in is nothing out. */
type Raw = string | null | undefined

/** White space of ASCII, then the blanks that web pages and spreadsheets leave behind. */
const blanks = ' \t\n\r\f\v\u00A0\u200B\uFEFF\u2007\u202F'
const removed: ReadonlySet<string> = new Set(`-${blanks}`)

/** What most are already, so that nothing has to be cleaned. */
const alreadyClean = /^[0-9A-Z*@#]*$/

const eightOfCusip = /^[0-9A-Z*@#]{8}$/
const elevenOfIsin = /^[A-Z]{2}[0-9A-Z]{9}$/
const cusipTakenForNumber = /^[1-9][0-9]{5,7}$/
const twoLetters = /^[A-Z]{2}$/

/** A character's value is its place: 0-9, A = 10 to Z = 35, then the three that only private placements (PPN) use. */
const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*@#'

/** Satisfies the check digit, and is what data vendors write for "none". */
const noCusip = '000000000'

/** The only prefixes whose ISIN holds a CUSIP for certain: Israeli ISINs pass its check by coincidence. */
const cusipCountries = ['US', 'CA'] as const

/** ASCII letters alone: toUpperCase() on the whole would make 'I' of 'ı' and 'SS' of 'ß'. */
const upperAscii = (text: string) => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase())

/** A short name (' isin ', 'us') as the rules spell it: blanks off both ends, ASCII letters in upper case; else ''. */
function plainName(raw: Raw): string {
  if (raw == null) return ''
  let start = 0
  let end = raw.length
  while (start < end && blanks.includes(raw.charAt(start))) start += 1
  while (end > start && blanks.includes(raw.charAt(end - 1))) end -= 1
  return end - start > 'CUSIP'.length ? '' : upperAscii(raw.slice(start, end))
}

/** The check digit that makes the sum of all digits a multiple of ten. */
const checkDigitOf = (sum: number) => String((10 - (sum % 10)) % 10)

/** 12 counts as 1 + 2, as both check digits want it. */
const digitSum = (value: number) => Math.floor(value / 10) + (value % 10)

/** As cleanIdentifier, but '' where more than so many characters are left: a megabyte is read no further than it must. */
function cleanUpTo(longest: number, raw: string): string {
  if (alreadyClean.test(raw)) return raw.length > longest ? '' : raw
  let kept = ''
  for (const character of raw) {
    if (removed.has(character)) continue
    kept += character
    if (kept.length > longest) return ''
  }
  return upperAscii(kept)
}

/**
 * Without ASCII white space, U+00A0, U+2007, U+200B, U+202F, U+FEFF and hyphen-minus, wherever they stand, and with
 * the letters a to z in upper case. Every other character stays, so that what is no identifier does not become one.
 */
export function cleanIdentifier(raw: string): string {
  return cleanUpTo(Number.POSITIVE_INFINITY, raw)
}

/** The type that a name means, in any case and with blanks around it; null for every other name. */
export function parseIdentifierType(raw: Raw): IdentifierType | null {
  const name = plainName(raw)
  return name === 'CUSIP' || name === 'ISIN' ? name : null
}

/**
 * The ninth character of a CUSIP, CINS or PPN, from its first eight, given clean. Null where they are not eight of
 * 0-9, A-Z, `*`, `@` and `#`. Source: ANSI X9.6.
 */
export function cusipCheckDigit(first8: Raw): string | null {
  if (first8?.length !== 8 || !eightOfCusip.test(first8)) return null
  let sum = 0
  for (let place = 0; place < 8; place += 1) {
    const value = alphabet.indexOf(first8.charAt(place))
    sum += digitSum(place % 2 === 1 ? value * 2 : value)
  }
  return checkDigitOf(sum)
}

/**
 * The twelfth character of an ISIN, from its first eleven, given clean. Null where they are not two letters and nine
 * of 0-9 and A-Z. Any two letters will do: XS, EU and the retired AN are real. Source: ISO 6166.
 */
export function isinCheckDigit(first11: Raw): string | null {
  if (first11?.length !== 11 || !elevenOfIsin.test(first11)) return null
  let sum = 0
  let isDoubled = true
  for (let place = 10; place >= 0; place -= 1) {
    // A letter stands for two digits; from the right, every other one counts twice.
    for (
      let rest = alphabet.indexOf(first11.charAt(place)), isLast = false;
      !isLast;
      rest = Math.floor(rest / 10)
    ) {
      sum += digitSum((rest % 10) * (isDoubled ? 2 : 1))
      isDoubled = !isDoubled
      isLast = rest < 10
    }
  }
  return checkDigitOf(sum)
}

const isCusip = (clean: string) =>
  clean.length === 9 && clean !== noCusip && cusipCheckDigit(clean.slice(0, 8)) === clean.charAt(8)

/**
 * The CUSIP, CINS or PPN that a text means, in nine characters, or null where the check digit does not prove it.
 * A spreadsheet that takes a CUSIP for a number drops its leading zeros: six to eight digits get up to three of them
 * back, where the check digit then proves the whole. Nothing else is repaired, and '000000000' ("none") is null.
 */
export function normalizeCusip(raw: Raw): string | null {
  if (raw == null) return null
  const clean = cleanUpTo(9, raw)
  const whole = cusipTakenForNumber.test(clean) ? clean.padStart(9, '0') : clean
  return isCusip(whole) ? whole : null
}

/** The ISIN that a text means, in twelve characters, or null where the check digit does not prove it. */
export function normalizeIsin(raw: Raw): string | null {
  if (raw == null) return null
  const clean = cleanUpTo(12, raw)
  return clean.length === 12 && isinCheckDigit(clean.slice(0, 11)) === clean.charAt(11) ? clean : null
}

/** The identifier of the named type that a text means; null where the type is unknown or the text is none of it. */
export function normalizeIdentifier(type: Raw, raw: Raw): Identifier | null {
  const known = parseIdentifierType(type)
  if (known === null) return null
  const value = known === 'CUSIP' ? normalizeCusip(raw) : normalizeIsin(raw)
  return value === null ? null : { type: known, value }
}

/** The identifier that a text means, its type told from its shape and proven by its check digit, or null. */
export function identify(raw: Raw): Identifier | null {
  const isin = normalizeIsin(raw)
  if (isin !== null) return { type: 'ISIN', value: isin }
  const cusip = normalizeCusip(raw)
  return cusip === null ? null : { type: 'CUSIP', value: cusip }
}

/**
 * A CUSIP given without its check digit, completed: for callers who know that the ninth character is missing, since
 * eight digits may as well be a whole CUSIP that lost a zero. A whole CUSIP comes back as it is; all else is null.
 */
export function completeCusip(raw: Raw): string | null {
  if (raw == null) return null
  const clean = cleanUpTo(9, raw)
  const whole = clean.length === 8 ? clean + (cusipCheckDigit(clean) ?? '') : clean
  return isCusip(whole) ? whole : null
}

/**
 * The ISIN of a CUSIP in a country, by its two letters ('US', 'ca'), with the check digit computed. Null where the
 * CUSIP is none, or has a `*`, `@` or `#`, which no ISIN can hold.
 */
export function isinOfCusip(cusip: Raw, country: Raw): string | null {
  const value = normalizeCusip(cusip)
  const prefix = plainName(country)
  if (value === null || prefix.length !== 2 || !twoLetters.test(prefix)) return null
  const digit = isinCheckDigit(prefix + value)
  return digit === null ? null : prefix + value + digit
}

/**
 * Other identifiers of the same security: of a US or CA ISIN the CUSIP inside it, of a CUSIP the US and the CA ISIN
 * that would hold it. Empty where there is none.
 */
export function sisters(identifier: Identifier): Identifier[] {
  if (identifier.type === 'CUSIP') {
    return cusipCountries.flatMap((country) => {
      const value = isinOfCusip(identifier.value, country)
      return value === null ? [] : [{ type: 'ISIN' as const, value }]
    })
  }
  const prefix = countryOfIsin(identifier.value)
  const inside = identifier.value.slice(2, 11)
  const holdsCusip = cusipCountries.some((country) => country === prefix) && isCusip(inside)
  return holdsCusip ? [{ type: 'CUSIP', value: inside }] : []
}

/** Whether a text is a CINS: a CUSIP that begins with a letter, which OpenFIGI wants as ID_CINS. */
export function isCins(raw: Raw): boolean {
  return /^[A-Z]/.test(normalizeCusip(raw) ?? '')
}

/** The two letters that an ISIN begins with, which need not be a country (XS, EU); null where it is no ISIN. */
export function countryOfIsin(raw: Raw): string | null {
  return normalizeIsin(raw)?.slice(0, 2) ?? null
}
