import type { Listing } from '../../src/openfigi/listing.ts'

/** A listing like those of the recorded traffic, Apple's US composite where nothing else is said. */
export function listing(fields: Partial<Listing> = {}): Listing {
  return {
    figi: 'BBG000B9XRY4',
    name: 'APPLE INC',
    ticker: 'AAPL',
    exchCode: 'US',
    compositeFIGI: 'BBG000B9XRY4',
    securityType: 'Common Stock',
    marketSector: 'Equity',
    shareClassFIGI: 'BBG001S5N8V8',
    securityType2: 'Common Stock',
    securityDescription: 'AAPL',
    ...fields,
  }
}

/** The composite of a market. */
export function composite(
  exchCode: string,
  ticker: string,
  figi: string,
  fields: Partial<Listing> = {},
): Listing {
  return listing({ figi, compositeFIGI: figi, exchCode, ticker, ...fields })
}

/** A venue of the composite with that FIGI. */
export function venue(
  exchCode: string,
  ticker: string,
  figi: string,
  compositeFIGI: string,
  fields: Partial<Listing> = {},
): Listing {
  return listing({ figi, compositeFIGI, exchCode, ticker, ...fields })
}
