/** What a simulated security is, and how it spreads out into listings. */

import type { Job, WireListing } from './wire.ts'

/** One composite with its venues. `{}` in the ticker stands for the security's own. */
export interface Market {
  readonly composite: string | null
  readonly venues: readonly string[]
  readonly ticker?: string
  readonly shareClass?: number
}

export interface Security {
  /** The CUSIP or CINS, or the ISIN where that contains neither. */
  readonly key: string
  readonly name: string
  readonly ticker: string
  readonly securityType: string
  readonly securityType2: string
  readonly marketSector: string
  readonly markets: readonly Market[]
}

const FIGI_ALPHABET = '0123456789BCDFGHJKLMNPQRSTVWXYZ'
/** Where the numbers of share classes begin, beyond those of listings. */
const SHARE_CLASS = 1_000_000
const MICS: Record<string, readonly string[]> = {
  XNAS: ['UQ', 'UR', 'UW'],
  XNYS: ['UN'],
  ARCX: ['UP'],
  XASE: ['UA'],
  XETR: ['GY'],
  XFRA: ['GF'],
  XLON: ['LN'],
  XSWX: ['SE'],
  XTSE: ['CT'],
  XMEX: ['MF'],
}
const FOREIGN_TICKERS = ['{}EUR', '{}USD', '{}GBX', '{}CHF', '{}MXN', '{}D', '{}Z', '{}CL', '{}RUB', '{}AB']
const DARK_VENUES = ['XH', 'XF', 'XE', 'XJ', 'XL', 'XG', 'XO', 'XA', 'E1', 'XT', 'XW', 'XU', 'XV', 'XX']

/** FNV-1a with murmur's finish: 32 bits that depend on every character. */
export function hash(text: string, seed = 0): number {
  let h = 0x811c9dc5 ^ seed
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** A FIGI with a true check digit. 31^8 of them: a universe of a million listings has less than one collision. */
export function makeFigi(key: string, index: number): string {
  let rest = hash(key, 2 * index + 1) * 0x100000 + (hash(key, 2 * index + 2) >>> 12)
  let body = ''
  for (let i = 0; i < 8; i++) {
    body += FIGI_ALPHABET.charAt(rest % 31)
    rest = Math.floor(rest / 31)
  }
  return `BBG${body}${figiCheckDigit(`BBG${body}`)}`
}

export function figiCheckDigit(eleven: string): string {
  let sum = 0
  for (let i = 0; i < 11; i++) {
    const code = eleven.charCodeAt(i)
    const value = (code < 58 ? code - 48 : code - 55) * (i % 2 === 1 ? 2 : 1)
    sum += Math.floor(value / 10) + (value % 10)
  }
  return String((10 - (sum % 10)) % 10)
}

/** Pads the fan-out with foreign markets until there are so many listings. */
export function inflate(security: Security, listings: number): Security {
  let count = security.markets.reduce((sum, market) => sum + 1 + market.venues.length, 0)
  const markets = [...security.markets]
  while (count < listings) {
    const venues = DARK_VENUES.slice(0, listings - count - 1)
    markets.push({ composite: 'EO', venues, ticker: FOREIGN_TICKERS[markets.length % 10] ?? '{}' })
    count += 1 + venues.length
  }
  return { ...security, markets }
}

/** The listings that pass the job's filters; nothing is built for those that do not. */
export function listingsOf(security: Security, job: Partial<Job>, ticker = security.ticker): WireListing[] {
  const found: WireListing[] = []
  const { key, name, securityType, securityType2, marketSector } = security
  if (job.securityType && job.securityType !== securityType) return found
  if (job.securityType2 && job.securityType2 !== securityType2) return found
  if (job.marketSecDes && job.marketSecDes !== marketSector) return found
  let index = 0
  for (const market of security.markets) {
    const first = index
    index += 1 + market.venues.length
    const isEquity = market.composite !== null
    const shown = market.ticker ? market.ticker.replace('{}', ticker) : ticker
    let compositeFIGI: string | null = null // made once a market, and only where a listing passes
    let shareClassFIGI: string | null = null
    for (let i = first; i < index; i++) {
      const exchCode = i === first ? market.composite : (market.venues[i - first - 1] ?? null)
      if (!passes(job, exchCode)) continue
      if (isEquity) {
        compositeFIGI ??= makeFigi(key, first)
        shareClassFIGI ??= makeFigi(key, SHARE_CLASS + (market.shareClass ?? 0))
      }
      found.push({
        figi: i === first && compositeFIGI ? compositeFIGI : makeFigi(key, i),
        name,
        ticker: shown,
        exchCode,
        compositeFIGI,
        securityType,
        marketSector,
        shareClassFIGI,
        securityType2,
        securityDescription: shown,
      })
    }
  }
  return found
}

/** The filters for listings that were given ready-made. */
export function narrow(listings: readonly WireListing[], job: Partial<Job>): WireListing[] {
  return listings.filter(
    (listing) =>
      passes(job, listing.exchCode) &&
      (!job.securityType || job.securityType === listing.securityType) &&
      (!job.securityType2 || job.securityType2 === listing.securityType2) &&
      (!job.marketSecDes || job.marketSecDes === listing.marketSector),
  )
}

/** A code matches exactly: US is the composite and not its venues. What a code that exists nowhere gets, nobody recorded. */
function passes(job: Partial<Job>, exchCode: string | null): boolean {
  if (job.exchCode) return job.exchCode === exchCode
  if (job.micCode) return exchCode !== null && (MICS[job.micCode]?.includes(exchCode) ?? false)
  return true
}
