/** OpenFIGI's limit: a fixed window for each key (or address) which begins with the first request in it. */

export interface Limit {
  readonly requests: number
  readonly windowMs: number
}

export interface WindowState {
  readonly limit: Limit
  readonly remaining: number
  readonly millisecondsLeft: number
}

export class FixedWindows {
  readonly #now: () => number
  readonly #windows = new Map<string, { start: number; used: number }>()

  constructor(now: () => number) {
    this.#now = now
  }

  /** Takes one request from the caller's window; `accepted` is false where nothing was left to take. */
  take(caller: string, limit: Limit): WindowState & { accepted: boolean } {
    const now = this.#now()
    let window = this.#windows.get(caller)
    if (!window || now - window.start >= limit.windowMs) {
      window = { start: now, used: 0 }
      this.#windows.set(caller, window)
    }
    const accepted = window.used < limit.requests
    if (accepted) window.used++
    return {
      accepted,
      limit,
      remaining: limit.requests - window.used,
      millisecondsLeft: window.start + limit.windowMs - now,
    }
  }

  /** Gives back what `take` took. */
  refund(caller: string): void {
    const window = this.#windows.get(caller)
    if (window) window.used--
  }

  clear(): void {
    this.#windows.clear()
  }
}

/** Seconds are whole and rounded up, so that a client which waits that long has always waited long enough. */
export function limitHeaders({ limit, remaining, millisecondsLeft }: WindowState): Record<string, string> {
  return {
    'ratelimit-limit': String(limit.requests),
    'ratelimit-policy': `${limit.requests};w=${Math.ceil(limit.windowMs / 1000)}`,
    'ratelimit-remaining': String(remaining),
    'ratelimit-reset': String(Math.ceil(millisecondsLeft / 1000)),
  }
}
