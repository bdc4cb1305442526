import type { Listing } from './listing.ts'

/** What a listing says, by the names of the columns of security_mappings; its ticker apart. */
export function listingColumns(listing: Listing) {
  return {
    figi: listing.figi,
    composite_figi: listing.compositeFIGI,
    share_class_figi: listing.shareClassFIGI,
    name: listing.name,
    exch_code: listing.exchCode,
    security_type: listing.securityType,
    security_type2: listing.securityType2,
    market_sector: listing.marketSector,
  }
}
