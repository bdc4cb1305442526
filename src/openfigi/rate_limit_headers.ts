/** No limit of OpenFIGI's lasts longer than a minute: whatever asks for more than this is a mistake. */
export const longestWaitMs = 10 * 60_000

export interface RateLimit {
  /** How long `retry-after` asks to wait. */
  readonly retryAfterMs: number | null
  /** How many requests are left in the server's window. */
  readonly remaining: number | null
  /** How long until the server's window ends. */
  readonly resetMs: number | null
}

type HeaderValue = string | string[] | undefined

/** The three headers that pace us; null for each that is missing or makes no sense. The server's own clock dates them, where it says it. */
export function readRateLimit(headers: Record<string, HeaderValue>, nowMs: number): RateLimit {
  const serverMs = dateOf(single(headers.date))
  return {
    retryAfterMs: retryAfterMs(headers['retry-after'], serverMs ?? nowMs),
    remaining: ratelimitRemaining(headers['ratelimit-remaining']),
    resetMs: ratelimitResetMs(headers['ratelimit-reset']),
  }
}

/** `retry-after`: seconds, or an HTTP date, which is compared with the clock that is passed in. */
export function retryAfterMs(header: HeaderValue, nowMs: number): number | null {
  const text = single(header)
  const seconds = secondsToMs(text)
  if (seconds !== null) return seconds
  const date = dateOf(text)
  return date === null ? null : capped(date - nowMs)
}

/** `ratelimit-remaining`: a count. */
export function ratelimitRemaining(header: HeaderValue): number | null {
  const text = single(header)
  return /^\d{1,15}$/.test(text) ? Number(text) : null
}

/** `ratelimit-reset`: the seconds left, not an epoch. */
export function ratelimitResetMs(header: HeaderValue): number | null {
  return secondsToMs(single(header))
}

/** A header that came more than once is garbage. */
function single(header: HeaderValue): string {
  return typeof header === 'string' ? header.trim() : ''
}

/** An HTTP date. Date.parse alone would also make one of "1" or "in 3 minutes". */
function dateOf(text: string): number | null {
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*\d\d:\d\d:\d\d/.test(text)) return null
  const date = Date.parse(text)
  return Number.isNaN(date) ? null : date
}

function secondsToMs(text: string): number | null {
  return /^\d{1,15}(\.\d{1,9})?$/.test(text) ? capped(Math.ceil(Number(text) * 1000)) : null
}

function capped(milliseconds: number): number {
  return Math.min(Math.max(milliseconds, 0), longestWaitMs)
}
