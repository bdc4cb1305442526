import { InvalidSettingError } from '../errors/invalid_setting_error.ts'
import type { Identifier } from '../identifiers.ts'
import { isCins } from '../identifiers.ts'

/** An exchange code, `home` (the market of the ISIN's country) or `any` (whatever is left; always the last). */
export type ListingPreference = readonly string[]

/** ISO country code to the exchange code of its composite, or of its one exchange where there is no composite. */
const compositeByCountry: ReadonlyMap<string, string> = pairs(`
  AD:AD AE:UH AF:AK AI:AI AL:AL AM:AY AN:NT AO:AX AR:AR AT:AV AU:AU AZ:AZ BA:BT BB:BA BD:BD BE:BB BG:BU
  BH:BI BM:BH BN:BX BO:VB BR:BZ BS:BM BW:BG BY:RB BZ:ZB CA:CN CF:ZC CH:SW CI:IA CK:CU CL:CI CM:DE CN:CH
  CO:CB CR:CR CV:VR CY:CY CZ:CP DE:GR DK:DC DZ:AG EC:ED EE:ET EG:EY ES:SM FI:FH FJ:FS FR:FP GA:ZG GB:LN
  GE:GG GG:GU GH:GN GI:TL GM:GX GR:GA GT:GL HK:HK HN:HO HR:CZ HU:HB ID:IJ IE:ID IL:IT IM:IO IN:IN IQ:IQ
  IR:IE IS:IR IT:IM JE:JY JM:JA JO:JR JP:JP KE:KN KG:KB KH:KH KN:NX KR:KS KW:KK KY:KY KZ:KZ LA:LS LB:LB
  LI:LE LK:SL LT:LH LU:LX LV:LR LY:LY MA:MC MC:MN MD:MB ME:ME MH:MI MK:MS MM:MY MN:MO MO:MA MT:MV MU:MP
  MV:MX MW:MW MX:MM MY:MK MZ:MZ NA:NW NG:NL NI:NC NL:NA NO:NO NP:NK NZ:NZ OM:OM PA:PP PE:PE PG:PB PH:PM
  PK:PA PL:PW PS:PS PT:PL PY:PN QA:QD RO:RO RS:SG RU:RM RW:RW SA:AB SC:SZ SD:S3 SE:SS SG:SP SI:SV SK:SK
  SL:SU SN:ZS SV:EL SZ:SD TC:TC TH:TB TJ:TD TM:TM TN:TU TR:TI TT:TP TW:TT TZ:TZ UA:UZ UG:UG US:US UY:UY
  UZ:ZU VE:VC VG:VI VN:VN YE:YS ZA:SJ ZM:ZL ZW:ZH`)

/** Venues whose composite is `US`, for answers that hold a venue without its composite. */
export const venuesOfUs: ReadonlySet<string> = new Set(
  'PQ UA UB UC UD UE UF UI UJ UL UM UN UO UP UQ UR UT UU UV UW UX VF VG VJ VK VL VP VY'.split(' '),
)

/** The composite of a country, null where we know none (XS and EU are no countries). */
export function compositeOf(country: string): string | null {
  return compositeByCountry.get(country) ?? null
}

/** Every country that has a home market here, with its composite. */
export function homeMarkets(): ReadonlyMap<string, string> {
  return compositeByCountry
}

/** An ISIN is at home in its country. A CUSIP names no country: it is at home in the US, a CINS nowhere. */
export function homeOf(identifier: Identifier): string | null {
  if (identifier.type === 'ISIN') return compositeOf(identifier.value.slice(0, 2))
  return isCins(identifier.value) ? null : 'US'
}

/** The exchange codes to prefer for this identifier, best first; whatever comes after them is `any`. */
export function marketsOf(identifier: Identifier, preference: ListingPreference): string[] {
  const last = preference.indexOf('any')
  const entries = last < 0 ? preference : preference.slice(0, last)
  const codes = entries.map((entry) => (entry === 'home' ? homeOf(identifier) : entry))
  return [...new Set(codes.filter((code) => code !== null))]
}

/** Of what is no entry: enough to find it, and too little of a URL that is there by mistake to hold its password. */
const shown = 10

/** OPENFIGI_LISTING_PREFERENCE (`US,home,any`): exchange codes and the words `home` and `any`; `any` is implied. */
export function parseListingPreference(text: string): ListingPreference {
  const entries = text.split(',').map((entry) => entry.trim())
  const preference = entries.map((entry) => {
    if (/^(home|any)$/i.test(entry)) return entry.toLowerCase()
    if (/^[a-z0-9]{2}$/i.test(entry)) return entry.toUpperCase()
    throw new InvalidSettingError(
      'OPENFIGI_LISTING_PREFERENCE',
      `must be a list such as US,home,any: ${JSON.stringify(entry.slice(0, shown))} is neither home, any nor an exchange code of two characters`,
    )
  })
  const any = preference.indexOf('any')
  if (any >= 0 && any < preference.length - 1) {
    throw new InvalidSettingError(
      'OPENFIGI_LISTING_PREFERENCE',
      'must have nothing after any, which takes all',
    )
  }
  return [...new Set([...preference, 'any'])]
}

function pairs(text: string): Map<string, string> {
  return new Map(
    text
      .trim()
      .split(/\s+/)
      .map((pair): [string, string] => [pair.slice(0, 2), pair.slice(3)]),
  )
}
