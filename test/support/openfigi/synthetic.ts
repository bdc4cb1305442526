/** A rule instead of a table: what any valid identifier is, worked out from its hash, always the same. */

import { hash, type Market, type Security } from './securities.ts'

export interface Shares {
  readonly foreign: number
  readonly bond: number
  readonly unknown: number
}

export const DEFAULT_SHARES: Shares = { foreign: 0.1, bond: 0.08, unknown: 0.12 }

const PRIMARIES = ['UN', 'UW', 'UQ', 'UR', 'UA', 'UP']
const LIT = ['UB', 'UC', 'UD', 'UF', 'UM', 'UT', 'UX', 'VF', 'VG', 'VJ', 'VK', 'VL', 'VP', 'VY']
const ABROAD: readonly Market[] = [
  { composite: 'GR', venues: ['GF', 'GD', 'GS', 'GM', 'GY'], ticker: '{}1' },
  { composite: 'MM', venues: ['MF', 'MU'], ticker: '{}*' },
  { composite: 'SW', venues: ['SE', 'BW'] },
  { composite: 'EO', venues: ['XH', 'XF', 'XE'], ticker: '{}EUR' },
]
const HOMES: readonly Market[] = [
  { composite: 'GR', venues: ['GF', 'GY', 'GS'] },
  { composite: 'LN', venues: ['LI'] },
  { composite: 'JP', venues: ['JT'] },
  { composite: 'FP', venues: [] },
  { composite: 'AU', venues: ['AT', 'AH'] },
]
const FRACTIONS = ['', ' 1/8', ' 1/4', ' 3/8', ' 1/2', ' 5/8', ' 3/4', ' 7/8']
const pad = (n: number) => String(n).padStart(2, '0')

/** Null where the identifier is unknown. The share of US stocks is what the other shares leave. */
export function synthesize(key: string, shares: Shares): Security | null {
  const position = hash(key, 101) / 2 ** 32
  const shape = hash(key, 102)
  const letters = tickerFrom(hash(key, 103))
  const name = `${letters} SIMULATED CORP`
  const equity = { securityType: 'Common Stock', securityType2: 'Common Stock', marketSector: 'Equity' }
  if (position < shares.unknown) return null
  if (position < shares.unknown + shares.bond) {
    const coupon = `${1 + (shape % 8)}${FRACTIONS[(shape >>> 3) % 8]}`
    const maturity = `${pad(1 + ((shape >>> 6) % 12))}/${pad(1 + ((shape >>> 10) % 28))}/${26 + ((shape >>> 16) % 30)}`
    const bond = { securityType: 'GLOBAL', securityType2: 'Corp', marketSector: 'Corp' }
    const ticker = `${letters} ${coupon} ${maturity}`
    return { key, name, ticker, ...bond, markets: [{ composite: null, venues: [] }] }
  }
  if (position < shares.unknown + shares.bond + shares.foreign) {
    const home = HOMES[shape % HOMES.length] ?? { composite: 'LN', venues: [] }
    return { key, name, ticker: letters, ...equity, markets: [home, ...ABROAD.slice(3)] }
  }
  const primary = PRIMARIES[shape % PRIMARIES.length] ?? 'UN'
  const home = { composite: 'US', venues: [primary, ...LIT.slice(0, 4 + ((shape >>> 4) % 11))] }
  const markets = [home, ...ABROAD.slice(0, (shape >>> 8) % 5)]
  return { key, name, ticker: letters, ...equity, markets }
}

/** Three to five letters, now and then with a share class behind a slash. */
function tickerFrom(h: number): string {
  const length = 3 + (h % 16 > 2 ? 1 : 0) + (h % 16 > 7 ? 1 : 0)
  let rest = h >>> 4
  let ticker = ''
  for (let i = 0; i < length; i++) {
    ticker += String.fromCharCode(65 + (rest % 26))
    rest = Math.floor(rest / 26)
  }
  return h % 97 === 0 && length < 5 ? `${ticker}/B` : ticker
}
