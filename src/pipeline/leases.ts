import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'

export interface LeasesOptions {
  readonly leaseMs: number
  /** Extends the leases of these claimants; handles its own errors. */
  readonly renew: (claimants: readonly string[]) => Promise<void>
}

/**
 * Renews the leases of requests under way, and of no others: every claim has a claimant of its own, so that the lease of
 * what could be neither recorded nor given back runs out while this process goes on.
 */
export class Leases {
  readonly #options: LeasesOptions
  readonly #process = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`
  readonly #held = new Map<string, number>()
  #count = 0
  #timer: NodeJS.Timeout | null = null

  constructor(options: LeasesOptions) {
    this.#options = options
  }

  /** The name for the next claim. */
  claimant(): string {
    this.#count += 1
    return `${this.#process}:${this.#count}`
  }

  /** Once for each request that is under way for the claimant. */
  hold(claimant: string): void {
    this.#held.set(claimant, (this.#held.get(claimant) ?? 0) + 1)
    this.#timer ??= setInterval(
      () => void this.#options.renew([...this.#held.keys()]),
      this.#options.leaseMs / 3,
    )
  }

  letGo(claimant: string): void {
    const left = (this.#held.get(claimant) ?? 0) - 1
    if (left > 0) this.#held.set(claimant, left)
    else this.#held.delete(claimant)
    if (this.#held.size > 0 || !this.#timer) return
    clearInterval(this.#timer)
    this.#timer = null
  }
}
