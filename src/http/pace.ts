export interface PaceOptions {
  /** So many go on in a second, and so many at once after a pause. */
  readonly perSecond: number
  readonly mostWaiting: number
  readonly longestWaitMs: number
}

/** Those who wait go several at a time: waking for each of them cost twice the processor time. */
const leastPauseMs = 100

interface Waiter {
  readonly since: number
  readonly go: (mayGoOn: boolean) => void
}

/**
 * Holds requests back so that, however many come, answering them takes no more than a known share of the machine: those
 * that ask next wait in line, which makes clients that wait for their answers slow down, too.
 */
export class Pace {
  readonly #options: PaceOptions
  readonly #now: () => number
  #waiting: Waiter[] = []
  #tokens: number
  #filledAt: number
  #timer: NodeJS.Timeout | null = null

  constructor(options: PaceOptions, now: () => number = () => performance.now()) {
    this.#options = options
    this.#now = now
    this.#tokens = options.perSecond
    this.#filledAt = now()
  }

  /** Resolves when it is this one's turn: with true, or with false where it has waited too long or too many wait. */
  turn(signal?: AbortSignal): Promise<boolean> {
    this.#fill()
    if (this.#waiting.length === 0 && this.#tokens >= 1) {
      this.#tokens -= 1
      return Promise.resolve(true)
    }
    if (signal?.aborted || this.#waiting.length >= this.#options.mostWaiting) return Promise.resolve(false)
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const waiter = { since: this.#now(), go: resolve }
    this.#waiting.push(waiter)
    signal?.addEventListener('abort', () => this.#leave(waiter), { once: true })
    this.#schedule()
    return promise
  }

  /** Lets everybody go who waits. */
  end(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    for (const { go } of this.#waiting.splice(0)) go(false)
  }

  #leave(waiter: Waiter): void {
    const place = this.#waiting.indexOf(waiter)
    if (place < 0) return
    this.#waiting.splice(place, 1)
    waiter.go(false)
  }

  #fill(): void {
    const now = this.#now()
    const gained = ((now - this.#filledAt) * this.#options.perSecond) / 1000
    this.#tokens = Math.min(this.#options.perSecond, this.#tokens + gained)
    this.#filledAt = now
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => this.#serve(), Math.max(1000 / this.#options.perSecond, leastPauseMs))
  }

  #serve(): void {
    this.#timer = null
    this.#fill()
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0] as Waiter
      const isLate = this.#now() - first.since > this.#options.longestWaitMs
      if (!isLate && this.#tokens < 1) break
      if (!isLate) this.#tokens -= 1
      this.#waiting.shift()
      first.go(!isLate)
    }
    if (this.#waiting.length > 0) this.#schedule()
  }
}
