import { LRUCache } from 'lru-cache'

/** By themselves they are few; whoever comes from many addresses has a limit for all. */
const mostKept = 10_000

/** Counts wrong guesses by whose they are, each from the first one on for a while. */
export class WrongGuesses {
  readonly #most: number
  readonly #counts: LRUCache<string, number>

  constructor(most: number, windowMs: number) {
    this.#most = most
    this.#counts = new LRUCache({ max: mostKept, ttl: windowMs, noUpdateTTL: true, ttlResolution: 0 })
  }

  /** How long nothing more may be guessed; zero where it may be. */
  restsMs(whose: string): number {
    if ((this.#counts.get(whose) ?? 0) < this.#most) return 0
    return Math.max(1, Math.ceil(this.#counts.getRemainingTTL(whose)))
  }

  count(whose: string): void {
    this.#counts.set(whose, (this.#counts.get(whose) ?? 0) + 1)
  }
}
