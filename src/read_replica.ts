import type { ClientSettings } from './config.ts'
import { answered } from './database/answered.ts'
import { connect, type Sql } from './database/connect.ts'
import { explained } from './database/faults.ts'
import type { Lookup, ResolvedMapping } from './database/lookups.ts'
import { ReplicaAge } from './database/replica_age.ts'
import { replicaState } from './database/replication.ts'
import type { Identifier } from './identifiers.ts'
import type { Logger } from './log.ts'
import { keyOf } from './pipeline/wanted.ts'

/** How long a replica is left alone that failed, or that has not caught up with what this client did. */
const pauseMs = 2_000

/** Own fetches that are remembered; when so many more have been made, a replica has the first. */
const mostFetches = 100_000

export interface ReadReplicaOptions {
  readonly settings: ClientSettings
  readonly logger: Logger
  /** Where the primary's log ends now. Rejects where the primary cannot say. */
  readonly primaryLsn: () => Promise<string>
}

/**
 * A replica of the database, for lookups alone. Whatever goes wrong there, the primary answers: it is left alone with one
 * warning and tried again after a pause; so is one that is too far behind, or that was promoted. What this client has fetched is not taken from it before it has that.
 */
export class ReadReplica {
  readonly #sql: Sql
  readonly #settings: ClientSettings
  readonly #logger: Logger
  /** Null where answers of any age will do. */
  readonly #age: ReplicaAge | null
  /** When the primary says that it was fetched, in milliseconds; infinite until that is known. */
  readonly #fetched = new Map<string, number>()
  #isAside = false
  #isClosed = false
  /** Where the primary's log was when this client changed more than it can name. */
  #behind: string | null = null
  #timer: NodeJS.Timeout | null = null

  constructor(url: string, { settings, logger, primaryLsn }: ReadReplicaOptions) {
    const boundMs = settings.maxReplicaLagSeconds * 1000
    const parts = { boundMs, primaryLsn, replicaState: () => this.#within(replicaState(this.#sql)) }
    this.#age = boundMs === 0 ? null : new ReplicaAge(parts)
    this.#sql = connect(url, {
      ...settings,
      max: settings.maxConnections,
      applicationName: 'pgfigi lookups',
      onParameter: (name, value) => {
        // Comes with the answer of the first query after the promotion.
        if (name === 'in_hot_standby' && value === 'off') this.#age?.isPromoted()
      },
    })
    this.#settings = settings
    this.#logger = logger
  }

  /** What it answers; null where it cannot. */
  async query<T>(query: (sql: Sql) => PromiseLike<T>): Promise<T | null> {
    if (this.#isAside) return null
    try {
      await this.#age?.refresh()
      this.#age?.requireYoung()
      const answer = await this.#within(query(this.#sql))
      this.#age?.requireYoung()
      return answer
    } catch (error) {
      this.#leave(error)
      return null
    }
  }

  /** Whether its answer is good enough; if not, the primary has to say, and to request a fetch where one is needed. */
  suffices({ identifier, asOf }: Lookup, row: ResolvedMapping | null): row is ResolvedMapping {
    if (row === null || row.status === 'miss' || row.status === 'stale') return false
    const fetchedAt = this.#fetched.size === 0 ? undefined : this.#fetched.get(keyOf(identifier))
    if (fetchedAt === undefined) return true
    if (asOf !== null || Number(row.last_fetched_date) < fetchedAt) return false
    this.#fetched.delete(keyOf(identifier))
    return true
  }

  /** This client fetches it, or has: until the primary has been asked, no answer of the replica will do. */
  isFetching(identifier: Identifier): void {
    this.#fetched.delete(keyOf(identifier))
    this.#fetched.set(keyOf(identifier), Number.POSITIVE_INFINITY)
    if (this.#fetched.size > mostFetches) this.#fetched.delete(this.#fetched.keys().next().value as string)
  }

  /** What the primary said: a replica that says the same is good enough again. */
  primaryHas(identifier: Identifier, row: ResolvedMapping): void {
    const isSettled = row.status === 'hit' || row.status === 'negative'
    if (isSettled && this.#fetched.has(keyOf(identifier)))
      this.#fetched.set(keyOf(identifier), Number(row.last_fetched_date))
  }

  /** This client changed the primary: its answers are waited for until they have that change. */
  catchUp(lsn: string): void {
    this.#behind = lsn
    this.#leaveAside()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#timer) clearTimeout(this.#timer)
    await this.#sql.end({ timeout: 1 })
  }

  #leave(error: unknown): void {
    if (this.#isClosed || this.#isAside) return
    this.#logger.warn(
      { reason: (explained(error, 'DATABASE_READ_URL') as Error).message },
      'The replica cannot answer: the primary does, and the replica is tried again',
    )
    this.#leaveAside()
  }

  #leaveAside(): void {
    if (this.#isClosed) return
    this.#isAside = true
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#tryToReturn(), pauseMs).unref()
  }

  async #tryToReturn(): Promise<void> {
    const behind = this.#behind
    try {
      // The empty set is what lookups will ask, too: an older schema or a missing right shows here.
      const [row] = await this.#within(this.#sql<[{ has_it: boolean }]>`
        select coalesce(pg_catalog.pg_last_wal_replay_lsn() >= ${behind}::text::pg_lsn, true) as has_it
        from (select pg_catalog.count(*) from public.resolve_mappings('CUSIP', '{}')) lookups`)
      if (this.#behind !== behind) return // A later change has set a timer of its own.
      // One look apart from the next by the pause would never find one that follows closely, where the bound is as short.
      await this.#age?.settle()
      if (!row.has_it || (this.#age?.objection ?? null) !== null) return this.#leaveAside()
      this.#behind = null
      this.#isAside = false
      this.#logger.info({}, 'The replica answers again')
    } catch {
      if (this.#behind === behind) this.#leaveAside()
    }
  }

  #within<T>(query: PromiseLike<T>): Promise<T> {
    return answered(this.#sql, this.#settings.queryTimeoutMs, query)
  }
}
