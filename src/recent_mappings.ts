import { LRUCache } from 'lru-cache'
import type { ChangeListener } from './database/change_listener.ts'
import type { ResolvedMapping } from './database/lookups.ts'
import type { Identifier } from './identifiers.ts'
import { keyOf } from './pipeline/wanted.ts'

export interface RecentMappingsOptions {
  /** Most that are kept; the least recently used go first. */
  readonly most: number
  /** Null leaves the age allowed to the database. */
  readonly maxAgeMs: number | null
  /** The database's clock and what it says of ages; null while changes cannot be heard of. */
  readonly now: ChangeListener['now']
}

/**
 * Hits and negatives of this process, kept until they are past their age or anything changes in the database: then all of
 * them go, since a notification names no identifiers. While changes cannot be heard of, nothing is kept and nothing given.
 */
export class RecentMappings {
  readonly #options: RecentMappingsOptions
  readonly #rows: LRUCache<string, ResolvedMapping>
  #generation = 0

  constructor(options: RecentMappingsOptions) {
    this.#options = options
    this.#rows = new LRUCache({ max: options.most })
  }

  /** What is known of it now; undefined where the database has to be asked. */
  get(identifier: Identifier): ResolvedMapping | undefined {
    const row = this.#rows.get(keyOf(identifier))
    if (!row) return undefined
    if (this.#isFresh(row)) return row
    this.#rows.delete(keyOf(identifier))
    return undefined
  }

  /** To be taken before the database is asked: what it then answers is kept only where nothing has changed meanwhile. */
  get generation(): number {
    return this.#generation
  }

  keep(rows: readonly ResolvedMapping[], generation: number): void {
    if (generation !== this.#generation) return
    for (const row of rows) {
      const { identifier_type: type, identifier_value: value, status } = row
      if ((status !== 'hit' && status !== 'negative') || !this.#isFresh(row)) continue
      this.#rows.set(keyOf({ type: type as Identifier['type'], value: value as string }), row)
    }
  }

  /** Something changed, or may have. */
  forget(): void {
    this.#generation += 1
    this.#rows.clear()
  }

  /** As figi_private.is_fresh: an observation dated in the future counts as just made. */
  #isFresh(row: ResolvedMapping): boolean {
    const now = this.#options.now()
    if (!now) return false
    const age = Math.max(now.time - Number(row.last_fetched_date), 0)
    return age < (this.#options.maxAgeMs ?? now.maxAgeMs)
  }
}
