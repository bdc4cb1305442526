import { createHash, randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { PageSettings } from '../config.ts'

/** What a page's cookies are called. */
export interface CookieNames {
  readonly session: string
  /** Of the token against forgery. */
  readonly csrf: string
  /** What came of a button. */
  readonly notice: string
  /** A browser that somebody has logged in from. */
  readonly browser: string
}

/**
 * Browsers keep cookies by the name of a host, whatever the port: two pages on one host would end each other's sessions,
 * unless their cookies are named by where each listens.
 */
export function cookieNamesOf({ host, port }: Pick<PageSettings, 'host' | 'port'>): CookieNames {
  const place = [hostname(), host, port === 0 ? randomUUID() : port].join(' ')
  const mark = createHash('sha256').update(place).digest('hex').slice(0, 8)
  return {
    session: `pgfigi_session_${mark}`,
    csrf: `pgfigi_csrf_${mark}`,
    notice: `pgfigi_notice_${mark}`,
    browser: `pgfigi_browser_${mark}`,
  }
}
