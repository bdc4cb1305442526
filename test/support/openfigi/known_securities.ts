/** Securities shaped like real ones. Names and tickers are common knowledge, FIGIs are made up, the rest is invented. */

import { cusipCheckDigit, isinOf } from '../identifiers_maker.ts'
import type { Market, Security } from './securities.ts'

const LIT = ['UA', 'UB', 'UC', 'UD', 'UF', 'UM', 'UP', 'UT', 'UX', 'VF', 'VG', 'VJ', 'VK', 'VL', 'VP', 'VY']
const GERMAN = ['GB', 'GD', 'GF', 'GH', 'GI', 'GM', 'GS', 'GY']
const cusip = (eight: string) => eight + cusipCheckDigit(eight)
const us = (primary: string): Market => ({ composite: 'US', venues: [primary, ...LIT] })
const germany = (ticker: string): Market => ({ composite: 'GR', venues: GERMAN, ticker })
const mexico: Market = { composite: 'MM', venues: ['MF', 'MU'], ticker: '{}*' }
const swiss: Market = { composite: 'SW', venues: ['SE', 'BW'] }
const euro: Market = { composite: 'EO', venues: ['XH', 'XF', 'XE', 'XT', 'XW'], ticker: '{}EUR' }
const unlisted: Market = { composite: null, venues: [] }

interface Known extends Security {
  readonly isin: string
}

function known(
  key: string,
  country: string,
  name: string,
  ticker: string,
  [securityType, securityType2, marketSector]: readonly [string, string, string],
  markets: Market[],
): Known {
  const isin = key.length === 12 ? key : isinOf(country, key)
  return { key, isin, name, ticker, securityType, securityType2, marketSector, markets }
}

const STOCK = ['Common Stock', 'Common Stock', 'Equity'] as const
const FUND = ['ETP', 'Mutual Fund', 'Equity'] as const
const DEPOSITARY = ['ADR', 'Depositary Receipt', 'Equity'] as const
const TRUST = ['REIT', 'REIT', 'Equity'] as const
const TREASURY = ['US GOVERNMENT', 'Note', 'Govt'] as const
const CORPORATE = ['GLOBAL', 'Corp', 'Corp'] as const

export const knownSecurities = {
  apple: known('037833100', 'US', 'APPLE INC', 'AAPL', STOCK, [
    us('UW'),
    germany('APC'),
    mexico,
    swiss,
    euro,
    { composite: 'LN', venues: ['LI'], ticker: '0R2V' },
    { composite: 'AR', venues: ['AC', 'AF'] },
    { composite: 'AV', venues: [], ticker: 'AAPL' },
  ]),
  ibm: known('459200101', 'US', 'INTL BUSINESS MACHINES CORP', 'IBM', STOCK, [
    us('UN'),
    germany('IBM'),
    mexico,
    swiss,
    euro,
    { composite: 'BZ', venues: ['BS'], ticker: '{}B34' },
  ]),
  microsoft: known('594918104', 'US', 'MICROSOFT CORP', 'MSFT', STOCK, [
    us('UW'),
    germany('MSF'),
    mexico,
    euro,
  ]),
  berkshire: known('084670702', 'US', 'BERKSHIRE HATHAWAY INC-CL B', 'BRK/B', STOCK, [
    us('UN'),
    germany('BRYN'),
  ]),
  spy: known('78462F103', 'US', 'SPDR S&P 500 ETF TRUST', 'SPY', FUND, [us('UP'), mexico]),
  toyota: known('892331307', 'US', 'TOYOTA MOTOR CORP -SPON ADR', 'TM', DEPOSITARY, [
    us('UN'),
    germany('TOMA'),
  ]),
  realty: known('756109104', 'US', 'REALTY INCOME CORP', 'O', TRUST, [us('UN'), germany('RY6')]),
  shopify: known('82509L107', 'CA', 'SHOPIFY INC - CLASS A', 'SHOP', STOCK, [
    { composite: 'CN', venues: ['CT', 'TA', 'TG', 'TX'] },
    us('UW'),
    germany('307'),
  ]),
  cayman: known('G3788M114', 'KY', 'CAYMAN EXAMPLE HOLDINGS LTD', 'CYEX', STOCK, [us('UR')]),
  sap: known('DE0007164600', 'DE', 'SAP SE', 'SAP', STOCK, [
    { composite: 'GR', venues: GERMAN },
    { composite: 'SW', venues: ['SE'] },
    { composite: 'LN', venues: ['LI'], ticker: '0NW4' },
    euro,
  ]),
  treasury: known(cusip('91282CZZ'), 'US', 'US TREASURY N/B', 'T 3 3/4 02/28/33', TREASURY, [unlisted]),
  bond: known(cusip('00206RZZ'), 'US', 'AT&T INC', 'T 4 1/2 05/15/35', CORPORATE, [unlisted]),
  /** One identifier, two share classes, each with a US composite of its own: nobody can say which is meant. */
  ambiguous: known(cusip('69900110'), 'US', 'TWO CLASSES INC', 'DUO', STOCK, [
    { composite: 'US', venues: ['UN', 'UA'], ticker: '{}/A', shareClass: 0 },
    { composite: 'US', venues: ['UN', 'UA'], ticker: '{}/B', shareClass: 1 },
  ]),
} as const satisfies Record<string, Known>
