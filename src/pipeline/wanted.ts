import type { Answer } from '../database/requests.ts'
import type { Identifier } from '../identifiers.ts'

/** How the fetch of an identifier ended: with an answer of ours, or (null) with one that another process recorded. */
export type Fetched = Answer | null

interface Waiters {
  readonly identifier: Identifier
  readonly promise: Promise<Fetched>
  readonly resolve: (fetched: Fetched) => void
  readonly reject: (error: unknown) => void
}

export const keyOf = (identifier: Identifier) => `${identifier.type} ${identifier.value}`

/** The identifiers that callers in this process wait for, each once, in the order in which they were asked for. */
export class Wanted {
  readonly #waiters = new Map<string, Waiters>()

  get size(): number {
    return this.#waiters.size
  }

  /** The promise of its answer, shared by all who ask. */
  add(identifier: Identifier): Promise<Fetched> {
    const known = this.#waiters.get(keyOf(identifier))
    if (known) return known.promise
    const { promise, resolve, reject } = Promise.withResolvers<Fetched>()
    promise.catch(() => {})
    this.#waiters.set(keyOf(identifier), { identifier, promise, resolve, reject })
    return promise
  }

  /** The first so many of those that fit. */
  first(count: number, fits: (identifier: Identifier) => boolean): Identifier[] {
    const identifiers = this.#waiters.values().map((waiters) => waiters.identifier)
    return identifiers.filter(fits).take(count).toArray()
  }

  settle(identifier: Identifier, fetched: Fetched): void {
    this.#take(identifier)?.resolve(fetched)
  }

  fail(identifier: Identifier, error: unknown): void {
    this.#take(identifier)?.reject(error)
  }

  failAll(error: unknown): void {
    for (const { identifier } of [...this.#waiters.values()]) this.fail(identifier, error)
  }

  #take(identifier: Identifier): Waiters | undefined {
    const waiters = this.#waiters.get(keyOf(identifier))
    this.#waiters.delete(keyOf(identifier))
    return waiters
  }
}
