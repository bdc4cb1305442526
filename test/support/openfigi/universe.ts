/** Everything that can be asked for: overrides first, then recorded answers, known securities, and the synthetic rule. */

import { CINS_ISIN_COUNTRIES, CUSIP_COUNTRIES, isCusip, isIsin } from '../identifiers_maker.ts'
import { knownSecurities } from './known_securities.ts'
import type { Recorded } from './recorded.ts'
import { inflate, listingsOf, makeFigi, narrow, type Security } from './securities.ts'
import { DEFAULT_SHARES, type Shares, synthesize } from './synthetic.ts'
import {
  BAD_TYPE,
  BAD_VALUE,
  isIdType,
  type Job,
  NOT_FOUND,
  type WireAnswer,
  type WireListing,
} from './wire.ts'

export interface UniverseOptions {
  /** Shares of the synthetic securities; US stocks are the rest. */
  foreignShare?: number | undefined
  bondShare?: number | undefined
  unknownShare?: number | undefined
  /** At least so many listings for every equity asked for without a filter: 255 makes 100 jobs answer with 6 MB. */
  inflate?: number | undefined
  recorded?: Recorded | null | undefined
}

export type Override = readonly Partial<WireListing>[] | 'unknown' | { error: string }

const KNOWN = new Map<string, Security>(Object.values(knownSecurities).map((s) => [s.key, s]))

/** One key for a security, whichever of its identifiers was asked for. */
export function securityKey(value: string): string {
  const prefix = value.slice(0, 2)
  const inner = value.slice(2, 11)
  if (value.length !== 12 || !isCusip(inner)) return value
  return CUSIP_COUNTRIES.includes(prefix) || CINS_ISIN_COUNTRIES.includes(prefix) ? inner : value
}

export class Universe {
  readonly #options: UniverseOptions
  readonly #shares: Shares
  readonly #overrides = new Map<string, Override>()
  readonly #tickers = new Map<string, string>()

  constructor(options: UniverseOptions) {
    this.#options = options
    this.#shares = {
      foreign: options.foreignShare ?? DEFAULT_SHARES.foreign,
      bond: options.bondShare ?? DEFAULT_SHARES.bond,
      unknown: options.unknownShare ?? DEFAULT_SHARES.unknown,
    }
  }

  /** For this one identifier alone: a CUSIP may be retired while its ISIN still resolves. */
  set(idValue: string, override: Override): void {
    this.#overrides.set(idValue, override)
  }

  /** For the security, under all its identifiers, in every listing that carries its own ticker. */
  rename(idValue: string, ticker: string): void {
    if (!this.find(idValue))
      throw new Error(`${idValue} is unknown to the simulator: it has no ticker to change`)
    this.#tickers.set(securityKey(idValue), ticker)
  }

  clear(): void {
    this.#overrides.clear()
    this.#tickers.clear()
  }

  find(idValue: string): Security | null {
    const key = securityKey(idValue)
    if (key === '000000000') return null // passes its check digit and means "none"
    const security = KNOWN.get(key) ?? synthesize(key, this.#shares)
    if (!security || !this.#options.inflate || security.markets[0]?.composite === null) return security
    return inflate(security, this.#options.inflate)
  }

  answer(job: Job): WireAnswer {
    const value = String(job.idValue)
    const override = this.#overrides.get(value)
    if (override === 'unknown') return NOT_FOUND
    if (override && 'error' in override) return { error: override.error }
    if (override) return asAnswer(narrow(complete(value, override as Partial<WireListing>[]), job))
    if (!isIdType(job.idType)) return BAD_TYPE
    if (!isWellFormed(job.idType, value)) return BAD_VALUE
    const recorded = this.#options.recorded?.answer(job, securityKey(value))
    if (recorded) return recorded
    if (!['ID_CUSIP', 'ID_CINS', 'ID_ISIN'].includes(job.idType)) return NOT_FOUND // not simulated
    const security = this.find(value)
    return security ? asAnswer(listingsOf(security, job, this.#tickers.get(security.key))) : NOT_FOUND
  }
}

function asAnswer(listings: WireListing[]): WireAnswer {
  return listings.length > 0 ? { data: listings } : NOT_FOUND
}

function isWellFormed(idType: string, value: string): boolean {
  switch (idType) {
    case 'ID_CUSIP':
      return isCusip(value) && !/^[A-Z]/.test(value)
    case 'ID_CINS':
      return isCusip(value) && /^[A-Z]/.test(value)
    case 'ID_ISIN':
      return isIsin(value)
    default:
      return true
  }
}

/** Fills in what a test did not care to say. */
function complete(value: string, listings: Partial<WireListing>[]): WireListing[] {
  return listings.map((given, i) => {
    const figi = given.figi ?? makeFigi(value, i)
    const ticker = given.ticker ?? null
    return {
      figi,
      name: 'GIVEN BY A TEST',
      ticker,
      exchCode: null,
      compositeFIGI: given.exchCode ? figi : null,
      securityType: 'Common Stock',
      marketSector: 'Equity',
      shareClassFIGI: null,
      securityType2: 'Common Stock',
      securityDescription: ticker,
      ...given,
    }
  })
}
