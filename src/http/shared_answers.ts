import { LRUCache } from 'lru-cache'

type Outcome = { readonly value: unknown } | { readonly error: unknown }

/**
 * What several people look at is asked once: who comes while it is under way takes part in it, and for a while after it
 * stands as it is. Failures are shared like answers, so that a database in trouble is not asked more often than one in health.
 */
export class SharedAnswers {
  readonly #outcomes: LRUCache<string, Outcome, () => Promise<unknown>>

  /** `mostKept`: searches have many names. */
  constructor(mostKept = 500) {
    this.#outcomes = new LRUCache({
      max: mostKept,
      ttl: 1000,
      ignoreFetchAbort: true,
      fetchMethod: async (_name, _before, { context: ask }) =>
        ask().then(
          (value) => ({ value }),
          (error) => ({ error }),
        ),
    })
  }

  /** The answer by that name, which is asked for where none is younger than so many milliseconds. */
  async of<T>(name: string, keptMs: number, ask: () => Promise<T>): Promise<T> {
    const outcome = await this.#outcomes.fetch(name, { context: ask, ttl: keptMs })
    if (outcome === undefined) return ask()
    if ('error' in outcome) throw outcome.error
    return outcome.value as T
  }

  /** After something has been done, what was known before is not shown again. */
  forget(): void {
    this.#outcomes.clear()
  }
}
