export interface PaceOptions {
  /** So many go on in a second. */
  readonly perSecond: number
  /** So many go on at once after a pause; as many as in a second where nothing is said. */
  readonly burst?: number
  readonly mostWaiting: number
  readonly longestWaitMs: number
}

/** Those who wait go several at a time: waking for each of them cost twice the processor time. */
const leastPauseMs = 200

interface Waiter {
  readonly since: number
  readonly go: (mayGoOn: boolean) => void
}

/**
 * Holds requests back so that, however many come, answering them takes no more than a known share of the machine: those
 * that ask next wait in line, which makes clients that wait for their answers slow down, too. Each who asks has a line of
 * his own, and the lines take turns: who asks often waits for himself alone.
 */
export class Pace {
  readonly #options: PaceOptions
  readonly #burst: number
  readonly #now: () => number
  /** By whose they are, the next one first; none is empty. */
  readonly #lines = new Map<string, Waiter[]>()
  #waiting = 0
  #tokens: number
  #filledAt: number
  #timer: NodeJS.Timeout | null = null

  constructor(options: PaceOptions, now: () => number = () => performance.now()) {
    this.#options = options
    this.#burst = Math.max(1, options.burst ?? options.perSecond)
    this.#now = now
    this.#tokens = this.#burst
    this.#filledAt = now()
  }

  /** Resolves when it is this one's turn: with true, or with false where it has waited too long or too many wait. */
  turn(whose = '', signal?: AbortSignal): Promise<boolean> {
    this.#fill()
    if (this.#waiting === 0 && this.#tokens >= 1) {
      this.#tokens -= 1
      return Promise.resolve(true)
    }
    if (signal?.aborted || !this.#hasRoom(whose)) return Promise.resolve(false)
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const waiter = { since: this.#now(), go: resolve }
    const line = this.#lines.get(whose)
    if (line) line.push(waiter)
    else this.#lines.set(whose, [waiter])
    this.#waiting += 1
    signal?.addEventListener('abort', () => this.#leave(whose, waiter), { once: true })
    this.#schedule()
    return promise
  }

  /** Lets everybody go who waits. */
  end(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    for (const { go } of [...this.#lines.values()].flat()) go(false)
    this.#lines.clear()
    this.#waiting = 0
  }

  /** Where too many wait, the last of the longest line makes room for whoever has a shorter one. */
  #hasRoom(whose: string): boolean {
    if (this.#waiting < this.#options.mostWaiting) return true
    const own = this.#lines.get(whose)?.length ?? 0
    let longest: [string, Waiter[]] | undefined
    for (const entry of this.#lines) if (entry[1].length > (longest?.[1].length ?? 0)) longest = entry
    const last = longest?.[1].at(-1)
    if (longest === undefined || last === undefined || longest[1].length <= own + 1) return false
    this.#leave(longest[0], last)
    return true
  }

  #leave(whose: string, waiter: Waiter): void {
    const line = this.#lines.get(whose) ?? []
    const place = line.indexOf(waiter)
    if (place < 0) return
    line.splice(place, 1)
    if (line.length === 0) this.#lines.delete(whose)
    this.#waiting -= 1
    waiter.go(false)
  }

  #fill(): void {
    const now = this.#now()
    const gained = ((now - this.#filledAt) * this.#options.perSecond) / 1000
    this.#tokens = Math.min(this.#burst, this.#tokens + gained)
    this.#filledAt = now
  }

  #schedule(leastMs = leastPauseMs): void {
    const nextTurnMs = Math.ceil(((1 - this.#tokens) * 1000) / this.#options.perSecond)
    this.#timer ??= setTimeout(() => this.#serve(), Math.max(nextTurnMs, leastMs))
  }

  #serve(): void {
    this.#timer = null
    this.#fill()
    // A timer may be a moment early by our clock: nobody waits for a whole pause more for that.
    if (this.#tokens < 1 && this.#waiting > 0) {
      this.#schedule(1)
      return
    }
    const latest = this.#now() - this.#options.longestWaitMs
    for (const [whose, line] of this.#lines)
      for (const waiter of line.filter(({ since }) => since < latest)) this.#leave(whose, waiter)
    while (this.#tokens >= 1) {
      const [next] = this.#lines
      const first = next?.[1].shift()
      if (next === undefined || first === undefined) break
      this.#lines.delete(next[0])
      if (next[1].length > 0) this.#lines.set(...next)
      this.#waiting -= 1
      this.#tokens -= 1
      first.go(true)
    }
    if (this.#waiting > 0) this.#schedule()
  }
}
