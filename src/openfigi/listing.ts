import type { Identifier } from '../identifiers.ts'
import { type ListingPreference, marketsOf, venuesOfUs } from './markets.ts'

/** One listing as OpenFIGI has it. `figi` is the only key that it promises. */
export interface Listing {
  figi: string
  ticker: string | null
  name: string | null
  exchCode: string | null
  compositeFIGI: string | null
  shareClassFIGI: string | null
  securityType: string | null
  securityType2: string | null
  marketSector: string | null
  securityDescription: string | null
}

export interface Choice {
  readonly listing: Listing & { ticker: string }
  /** The rivals: what could have been chosen as well, and would have made a difference. Empty where nothing could. */
  readonly alternatives: Listing[]
}

/**
 * Alternatives are there for a person to look at, and are kept with the mapping: IBM has 21 tickers in 198 listings, and
 * nobody reads further than this.
 */
export const mostAlternatives = 20

/**
 * The listing that names the ticker, best first by
 * 1. market, in the order of preference; then any other exchange; then none,
 * 2. the composite before its venues,
 * 3. common stock, depositary receipt, REIT, fund, anything else, debt,
 * 4. the smallest FIGI.
 * A rival ties with the choice on the first three, yet has another ticker, or the same ticker and another share class; of
 * several that agree on both, the one with the smallest FIGI stands for all. Null where no listing has a ticker.
 */
export function chooseListing(
  listings: readonly Listing[],
  context: { readonly preference: ListingPreference; readonly identifier: Identifier },
): Choice | null {
  const markets = marketsOf(context.identifier, context.preference)
  const rankOf = rankWithin(listings, markets)
  const ranked = listings
    .filter(hasTicker)
    .map((listing) => ({ listing, rank: rankOf(listing) }))
    .sort((a, b) => compareRanks(a.rank, b.rank) || compareListings(a.listing, b.listing))
  const best = ranked[0]
  if (!best) return null

  const rivals = ranked
    .filter(({ listing, rank }) => compareRanks(rank, best.rank) === 0 && isRival(listing, best.listing))
    .map(({ listing }) => listing)
  const distinct = new Map<string, Listing>()
  for (const rival of rivals) {
    const key = JSON.stringify([rival.ticker, rival.shareClassFIGI])
    if (!distinct.has(key)) distinct.set(key, rival)
  }
  return { listing: best.listing, alternatives: [...distinct.values()].slice(0, mostAlternatives) }
}

/** Market, then composite or venue, then kind: the smaller, the better. */
type Rank = readonly [market: number, venue: number, kind: number]

/** Ranks need all the listings: a venue belongs to a market where its composite is there to say so. */
function rankWithin(listings: readonly Listing[], markets: readonly string[]): (listing: Listing) => Rank {
  const placeOf = new Map(markets.map((market, place) => [market, place]))
  const otherExchange = markets.length
  const noExchange = markets.length + 1
  const placeOfExchange = (exchCode: string) =>
    Math.min(
      placeOf.get(exchCode) ?? otherExchange,
      venuesOfUs.has(exchCode) ? (placeOf.get('US') ?? otherExchange) : otherExchange,
    )

  const placeOfComposite = new Map<string, number>()
  for (const { figi, exchCode } of listings) {
    const place = (exchCode !== null ? placeOf.get(exchCode) : undefined) ?? otherExchange
    placeOfComposite.set(figi, Math.min(place, placeOfComposite.get(figi) ?? otherExchange))
  }

  return (listing) => {
    const { figi, exchCode, compositeFIGI } = listing
    const ofComposite =
      (compositeFIGI !== null ? placeOfComposite.get(compositeFIGI) : undefined) ?? otherExchange
    const market = exchCode === null ? noExchange : Math.min(placeOfExchange(exchCode), ofComposite)
    return [market, figi === compositeFIGI ? 0 : 1, kindOf(listing)]
  }
}

const debtSectors: ReadonlySet<string> = new Set(['Corp', 'Govt', 'Muni', 'Mtge', 'M-Mkt'])
const otherKind = 4
const debt = 5

/** The finer `securityType` speaks first: an ADR is 'ADR' there and 'Depositary Receipt' in `securityType2`. */
function kindOf({ marketSector, securityType, securityType2 }: Listing): number {
  if (marketSector !== null && debtSectors.has(marketSector)) return debt
  return kindOfType(securityType) ?? kindOfType(securityType2) ?? otherKind
}

function kindOfType(type: string | null): number | null {
  if (type === null) return null
  if (/^common stock$/i.test(type)) return 0
  if (/^[a-z]{1,2}dr$|depositary receipt/i.test(type)) return 1
  if (/\breit\b/i.test(type)) return 2
  if (/\bfund\b|^et[pfnc]$/i.test(type)) return 3
  return null
}

function hasTicker(listing: Listing): listing is Listing & { ticker: string } {
  return listing.ticker !== null
}

/** Share classes differ only where both are known. */
function isRival(listing: Listing, chosen: Listing): boolean {
  if (listing.ticker !== chosen.ticker) return true
  return (
    listing.shareClassFIGI !== null &&
    chosen.shareClassFIGI !== null &&
    listing.shareClassFIGI !== chosen.shareClassFIGI
  )
}

function compareRanks(a: Rank, b: Rank): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2]
}

/** What tells apart two listings of one FIGI, should it come twice: the order of the answer must not. */
const columns = [
  'compositeFIGI',
  'exchCode',
  'marketSector',
  'name',
  'securityDescription',
  'securityType',
  'securityType2',
  'shareClassFIGI',
  'ticker',
] as const satisfies readonly (keyof Listing)[]

function compareListings(a: Listing, b: Listing): number {
  let order = compareText(a.figi, b.figi)
  for (let at = 0; order === 0 && at < columns.length; at += 1) {
    const column = columns[at] as (typeof columns)[number]
    order = compareText(a[column] ?? afterAll, b[column] ?? afterAll)
  }
  return order
}

/** No text that is stored begins with it. */
const afterAll = '\uffff'

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
