import { randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'

/** By what somebody was let in. */
export type Who = 'password' | 'token' | 'loopback'

export interface Session {
  readonly who: Who
  readonly id: string
}

export const sessionSeconds = 12 * 3600

/** Most that can be ended before their time and still be told; they last no longer than the process. */
const mostEnded = 10_000

/** What a session cookie says; the cookie is signed by whoever sets it. */
export class Sessions {
  readonly #now: () => number
  readonly #ended = new LRUCache<string, true>({ max: mostEnded })

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** The text of a new session's cookie. */
  begin(who: Who): string {
    const expiresAt = this.#now() + sessionSeconds * 1000
    return [who, randomBytes(18).toString('base64url'), expiresAt].join('.')
  }

  /** The session of a cookie whose signature held; null where it has expired or ended. */
  of(text: string): Session | null {
    const [, who, id, expiresAt] = /^(password|token)\.([\w-]{24})\.(\d+)$/.exec(text) ?? []
    if (who === undefined || id === undefined) return null
    if (Number(expiresAt) <= this.#now() || this.#ended.has(id)) return null
    return { who: who as Who, id }
  }

  /** Its cookie opens nothing any more, wherever it is kept. */
  end({ id }: Session): void {
    this.#ended.set(id, true)
  }
}
