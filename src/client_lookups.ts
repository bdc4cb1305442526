import { Batches } from './batches.ts'
import type { ClientDatabase } from './client_database.ts'
import { DatabaseAway } from './client_database.ts'
import type { Config } from './config.ts'
import { ChangeListener } from './database/change_listener.ts'
import { type Lookup, type ResolvedMapping, resolveMany } from './database/lookups.ts'
import { endOfLog } from './database/replication.ts'
import type { Identifier } from './identifiers.ts'
import { createLanes } from './lanes.ts'
import type { Logger } from './log.ts'
import { ReadReplica } from './read_replica.ts'
import { RecentMappings } from './recent_mappings.ts'

/** What has just been fetched is good enough, also where the age allowed is zero: else it would be fetched again at once. */
const anyAgeDays = 36_500

/** Lookups of one tick that go into one query; of more, the first misses are fetched while the others are looked up. */
const lookupsAtOnce = 1_000
const lookupQueriesAtOnce = 2

/** Where an answer came from; openfigi: it has to be fetched. */
export type LookupSource = 'process' | 'replica' | 'database' | 'openfigi'

/** Where a lookup is answered: in this process, on a replica, on the primary, whichever is the nearest that may. */
export class ClientLookups {
  readonly #config: Config
  readonly #logger: Logger
  readonly #database: ClientDatabase
  readonly #replica: ReadReplica | null
  readonly #recent: RecentMappings | null
  readonly #nearest: Batches<Lookup, ResolvedMapping | null>
  readonly #primary: Batches<Lookup, ResolvedMapping>
  readonly #primaryOfAnyAge: Batches<Lookup, ResolvedMapping>
  #listener: ChangeListener | null = null
  #isClosed = false

  constructor(config: Config, database: ClientDatabase, logger: Logger) {
    const { databaseReadUrl, cacheMaxAgeDays = null, client } = config
    this.#config = config
    this.#logger = logger
    this.#database = database
    this.#replica =
      databaseReadUrl === undefined
        ? null
        : new ReadReplica(databaseReadUrl, { settings: client, logger, primaryLsn: () => this.#primaryLsn() })
    this.#recent =
      client.cacheInProcess === 0
        ? null
        : new RecentMappings({
            most: client.cacheInProcess,
            maxAgeMs: cacheMaxAgeDays === null ? null : cacheMaxAgeDays * 86_400_000,
            now: () => this.#listener?.now() ?? null,
          })
    this.#primary = batchesOf((lookups) => this.#askPrimary(lookups, cacheMaxAgeDays))
    this.#primaryOfAnyAge = batchesOf((lookups) => this.#askPrimary(lookups, anyAgeDays))
    const replica = this.#replica
    this.#nearest = replica
      ? batchesOf(
          async (lookups) =>
            (await replica.query((sql) => resolveMany(sql, lookups, cacheMaxAgeDays))) ??
            lookups.map(() => null),
        )
      : this.#primary
  }

  /** What this process still knows of now. */
  recent(lookup: Lookup): ResolvedMapping | undefined {
    return lookup.asOf === null ? this.#recent?.get(lookup.identifier) : undefined
  }

  /** What the replica says, or the primary where there is none: the answers of the lookup's batch, and its place among them. */
  nearest(lookup: Lookup): { results: Promise<readonly (ResolvedMapping | null)[]>; place: number } {
    return this.#nearest.add(lookup)
  }

  /** Where `nearest` looks. */
  get nearestSource(): LookupSource {
    return this.#replica ? 'replica' : 'database'
  }

  /** Whether nobody else need be asked after `nearest`. */
  suffices(lookup: Lookup, row: ResolvedMapping | null): row is ResolvedMapping {
    return this.#replica === null || this.#replica.suffices(lookup, row)
  }

  /** What the primary says where the replica's answer does not do. Throws DatabaseAway where nobody has anything that does. */
  async primary(lookup: Lookup, ofReplica: ResolvedMapping | null): Promise<ResolvedMapping> {
    try {
      const { results, place } = this.#primary.add(lookup)
      const row = (await results)[place] as ResolvedMapping
      this.#replica?.primaryHas(lookup.identifier, row)
      return row
    } catch (error) {
      const isServed = ofReplica && (lookup.asOf !== null || ofReplica.status === 'stale')
      if (error instanceof DatabaseAway && isServed) return ofReplica
      throw error
    }
  }

  /** A fetch of it begins here: from now on the replica's older answers will not do. */
  isFetching(identifier: Identifier): void {
    this.#replica?.isFetching(identifier)
  }

  /** What has just been fetched, whatever the age allowed. */
  async fetched(lookup: Lookup): Promise<ResolvedMapping> {
    const { results, place } = this.#primaryOfAnyAge.add(lookup)
    const row = (await results)[place] as ResolvedMapping
    this.#replica?.primaryHas(lookup.identifier, row)
    return row
  }

  /** This client has changed more than lookups of its own: what was known before holds no longer, here or on the replica. */
  async hasChanged(): Promise<void> {
    this.#recent?.forget()
    if (!this.#replica) return
    this.#replica.catchUp(await this.#database.require(endOfLog))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([this.#listener?.close(), this.#replica?.close()])
  }

  #primaryLsn(): Promise<string> {
    return this.#database.query((sql) => endOfLog(sql))
  }

  async #askPrimary(lookups: readonly Lookup[], maxAgeDays: number | null): Promise<ResolvedMapping[]> {
    const generation = this.#recent?.generation ?? 0
    const rows = await this.#database.query((sql) => resolveMany(sql, lookups, maxAgeDays))
    if (this.#recent) {
      const current = rows.filter((_, place) => lookups[place]?.asOf === null)
      this.#recent.keep(current, generation)
      await this.#listen(this.#recent)
    }
    return rows
  }

  /** Begins with the first answer, when the embedded database has an address too. */
  async #listen(recent: RecentMappings): Promise<void> {
    if (this.#listener || this.#isClosed) return
    const url = this.#config.databaseDirectUrl ?? (await this.#database.url())
    if (this.#isClosed) return
    this.#listener ??= new ChangeListener({ url, logger: this.#logger, onChange: () => recent.forget() })
  }
}

/** Lookups made in the same tick travel in one query. */
function batchesOf<Row>(ask: (lookups: readonly Lookup[]) => Promise<readonly Row[]>): Batches<Lookup, Row> {
  const lanes = createLanes(lookupQueriesAtOnce)
  return new Batches((lookups) => lanes(() => ask(lookups)), lookupsAtOnce)
}
