import { checkedAsOf } from './as_of.ts'
import { ClientDatabase, DatabaseAway } from './client_database.ts'
import { ClientLookups, type LookupSource } from './client_lookups.ts'
import { configOf, type OpenFIGIClientOptions } from './client_options.ts'
import type { Config } from './config.ts'
import { ProcessCounting } from './counting/process_counting.ts'
import type { ProcessKind } from './counting/process_identity.ts'
import { type Counting, countsNothing } from './counting/tally.ts'
import { type CacheStats, cacheStats, clearCache, purgeCache, refreshStale } from './database/cache.ts'
import type { Lookup, ResolvedMapping, Status } from './database/lookups.ts'
import { type QueueSize, queueSize } from './database/warming.ts'
import { LookupFailedError } from './errors/lookup_failed_error.ts'
import { type Identifier, type IdentifierType, identify, normalizeIdentifier } from './identifiers.ts'
import { createLogger, type Logger } from './log.ts'
import { monotonicNow } from './monotonic.ts'
import { createInProcessBudget } from './openfigi/budget.ts'
import { openFigiFrom } from './openfigi/from_config.ts'
import { inOrder } from './ordered.ts'
import { resolvedOf, unresolved } from './pipeline/answers.ts'
import { ApiOnly } from './pipeline/api_only.ts'
import type { Fetcher } from './pipeline/fetcher.ts'
import type { Fetched } from './pipeline/wanted.ts'

/** An identifier as the caller has it: alone, its type is told from the value. */
export type Input = string | { readonly type: string; readonly value: string }

export interface ResolveOptions {
  /**
   * What was in effect at that instant (a Date) or on that day (YYYY-MM-DD, the whole day in UTC, whatever the time zone of
   * anybody: what was in effect at its end). Nothing is waited for. Anything else throws a RangeError.
   */
  readonly asOf?: Date | string
  /** False takes what the database knows now; what it does not know is fetched all the same, later. Default true. */
  readonly wait?: boolean
}

/** A row of resolve_mapping, with what was asked and, for a miss, why there is no answer yet. */
export interface Resolution extends ResolvedMapping {
  readonly input: string
  readonly error: string | null
}

/** How pgfigi's own commands make a client. */
export interface ClientParts {
  /** What the process is known as, where the client counts on its own. Default 'client'. */
  readonly kind?: ProcessKind
  /** Counts what the client does in place of the client itself, which then writes no counts. */
  readonly counting?: Counting
}

const whyNotRequested =
  'OpenFIGI answered with an error each time and is asked again a minute later, or the database is read-only'

/**
 * Tickers of CUSIPs and ISINs, from Postgres, and what Postgres does not know from OpenFIGI. Lookups made in the same tick
 * travel in one query, their misses in as few requests as the job cap allows. Close it, or declare it with `await using`.
 */
export class OpenFIGIClient implements AsyncDisposable {
  readonly #config: Config
  readonly #maxAgeDays: number | null
  readonly #apiOnly: ApiOnly
  readonly #database: ClientDatabase | null
  readonly #lookups: ClientLookups | null
  readonly #logger: Logger
  readonly #counting: Counting
  #closed: Promise<void> | null = null

  /** Throws a ConfigError that names every option and variable that cannot be used. Connects to nothing yet. */
  constructor(options: OpenFIGIClientOptions = {}, parts: ClientParts = {}) {
    this.#config = configOf(options)
    this.#logger = options.logger ?? createLogger(this.#config, 'warn')
    this.#maxAgeDays = this.#config.cacheMaxAgeDays ?? null
    const enableCache = options.enableCache ?? true
    const { dispatcher } = options
    const own = enableCache && !parts.counting ? this.#ownCounting(parts.kind ?? 'client') : null
    const counting = parts.counting ?? own ?? countsNothing
    this.#counting = counting
    const budget = createInProcessBudget(this.#config.rateLimit)
    this.#apiOnly = new ApiOnly({
      openfigi: openFigiFrom(this.#config, { budget, logger: this.#logger, counting, dispatcher }),
      logger: this.#logger,
      counting,
      maxKept: enableCache ? (options.maxKept ?? 100_000) : 0,
    })
    const databaseOptions = { logger: this.#logger, dispatcher, counting, beforeEnd: () => own?.close() }
    this.#database = enableCache ? new ClientDatabase(this.#config, databaseOptions, this.#apiOnly) : null
    this.#lookups = this.#database && new ClientLookups(this.#config, this.#database, this.#logger)
  }

  /**
   * The ticker of a CUSIP, CINS or PPN; null where OpenFIGI knows none or it is no CUSIP, and with `asOf` or without `wait`
   * also where the database knows nothing. Rejects (LookupFailedError) where OpenFIGI cannot be asked.
   */
  async getTickerFromCusip(cusip: string, options: ResolveOptions = {}): Promise<string | null> {
    return this.#ticker({ type: 'CUSIP', value: cusip }, options)
  }

  /** The ticker of an ISIN; null and errors as for getTickerFromCusip. */
  async getTickerFromIsin(isin: string, options: ResolveOptions = {}): Promise<string | null> {
    return this.#ticker({ type: 'ISIN', value: isin }, options)
  }

  /** The mapping of one identifier. Bad input is a row of status invalid; what cannot be asked now is a miss with its error. */
  async resolve(input: Input, options: ResolveOptions = {}): Promise<Resolution> {
    const { type, value } = typeof input === 'object' && input !== null ? input : { type: null, value: input }
    const asked = String(value)
    const identifier = type === null ? identify(asked) : normalizeIdentifier(String(type), asked)
    if (!identifier) {
      this.#count(isType(type) ? type : 'unknown', 'invalid', 'process')
      return { ...unresolved({ type, value: asked }, 'invalid'), input: asked, error: null }
    }
    try {
      return { ...(await this.#resolve(identifier, options)), input: asked, error: null }
    } catch (error) {
      if (!(error instanceof LookupFailedError)) throw error
      return {
        ...unresolved(identifier, 'miss'),
        fetch_requested: this.#database !== null,
        input: asked,
        error: error.message,
      }
    }
  }

  /** The mappings of any number of identifiers, in their order, with bounded memory: reads no further ahead than it has to. */
  resolveMany(
    inputs: Iterable<Input> | AsyncIterable<Input>,
    options: ResolveOptions = {},
  ): AsyncIterable<Resolution> {
    return inOrder(inputs, (input) => this.resolve(input, options))
  }

  /** What the cache holds. Rejects where there is no database, or it is away. */
  async getCacheStats(): Promise<CacheStats> {
    return this.#needsDatabase().require(cacheStats)
  }

  /**
   * Closes what is current and keeps the history; how many identifiers. With `purge` forgets everything, what was imported
   * included; how many rows. Lookups then miss, and fetch anew.
   */
  async clearCache({ purge = false }: { readonly purge?: boolean } = {}): Promise<number> {
    const cleared = await this.#needsDatabase().require(purge ? purgeCache : clearCache)
    await this.#lookups?.hasChanged()
    return cleared
  }

  /**
   * Requests a fetch of what is past its age, oldest first, at most `maxRows`; how many. With `wait`, fetches them before it
   * resolves; without, a worker does.
   */
  async refreshStaleCacheEntries(options: { maxRows?: number; wait?: boolean } = {}): Promise<number> {
    const database = this.#needsDatabase()
    const requested = await database.require((sql) =>
      refreshStale(sql, this.#maxAgeDays, options.maxRows ?? null),
    )
    if (options.wait) await this.fetchRequested()
    return requested
  }

  /** How many identifiers wait to be fetched, or are being fetched, by whomever; and how many gave up. */
  async pendingRequests(): Promise<QueueSize> {
    return this.#needsDatabase().require(queueSize)
  }

  /**
   * Fetches what has been requested, by whomever, until nothing is left that can be asked for now. Rejects where OpenFIGI
   * cannot be reached, or refuses the key; the requests are kept.
   */
  async fetchRequested(): Promise<void> {
    await (await this.#needsDatabase().fetcher()).drain()
    await this.#lookups?.hasChanged()
  }

  /**
   * Brings a cache of old into the database: a JSON file in any of the shapes of docs/importing.md, or anything else that
   * `pgfigi import` reads; `observedAt` (a Date, or an ISO date) dates what has no date of its own. How many of its records were new; doing it again gives 0. What is rejected is logged. Throws
   * where the file cannot be read (ImportError) or the database is away.
   */
  async migrateJsonCacheToPostgres(
    path: string,
    options: { observedAt?: Date | string } = {},
  ): Promise<number> {
    const sql = await this.#needsDatabase().connections()
    const { importFile } = await import('./import/import_file.ts')
    const imported = await importFile(path, {
      sql,
      logger: this.#logger,
      preference: this.#config.listingPreference,
      observedAt: options.observedAt === undefined ? undefined : new Date(options.observedAt).getTime(),
    })
    await this.#lookups?.hasChanged()
    return imported
  }

  /** Ends what is under way within seconds, writes what is still to be written, closes all connections. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    await this.#apiOnly.close()
    await this.#lookups?.close()
    await this.#database?.close()
  }

  async #ticker(
    input: { type: IdentifierType; value: string },
    options: ResolveOptions,
  ): Promise<string | null> {
    const identifier = normalizeIdentifier(input.type, String(input.value))
    if (!identifier) {
      this.#count(input.type, 'invalid', 'process')
      return null
    }
    return (await this.#resolve(identifier, options)).ticker
  }

  /** Throws LookupFailedError where nothing is known and nothing can be fetched. */
  async #resolve(identifier: Identifier, { asOf, wait = true }: ResolveOptions): Promise<ResolvedMapping> {
    if (this.#closed) throw new LookupFailedError(identifier, 'the client is closed')
    const lookup = { identifier, asOf: asOf == null ? null : checkedAsOf(asOf) }
    const { type } = identifier
    let isCounted = false
    try {
      if (!this.#database || !this.#lookups) throw new DatabaseAway()
      const recent = this.#lookups.recent(lookup)
      if (recent) {
        this.#count(type, recent.status, 'process')
        return recent
      }
      const { results, place } = this.#lookups.nearest(lookup)
      let known = (await results)[place] as ResolvedMapping | null
      let source = this.#lookups.nearestSource
      if (!this.#lookups.suffices(lookup, known)) {
        const ofReplica: ResolvedMapping | null = known
        known = await this.#lookups.primary(lookup, ofReplica)
        if (known !== ofReplica) source = 'database'
      }
      const isFetched = !asOf && wait && known.fetch_requested
      this.#count(type, known.status, isFetched && known.ticker === null ? 'openfigi' : source)
      isCounted = true
      if (isFetched) return await this.#fetch(lookup, known, this.#lookups, await this.#database.fetcher())
      if (!asOf && wait && known.status === 'miss') throw new LookupFailedError(identifier, whyNotRequested)
      return known
    } catch (error) {
      if (!(error instanceof DatabaseAway)) throw error
      if (asOf) {
        this.#count(type, 'miss', 'database')
        throw new LookupFailedError(identifier, 'history is in the database, which is away')
      }
      return this.#fromApi(identifier, isCounted)
    }
  }

  async #fetch(
    lookup: Lookup,
    known: ResolvedMapping,
    lookups: ClientLookups,
    fetcher: Fetcher,
  ): Promise<ResolvedMapping> {
    lookups.isFetching(lookup.identifier)
    const fetching = fetcher.want(lookup.identifier)
    // A ticker past its age is served while it is fetched anew.
    if (known.ticker !== null) return known
    const failed = (reason: string, cause?: unknown) => {
      if (known.status === 'stale') return known
      throw new LookupFailedError(lookup.identifier, reason, { cause })
    }
    let fetched: Fetched
    try {
      fetched = await fetching
    } catch (error) {
      const reason = this.#database?.awayOr(error)
      if (reason instanceof DatabaseAway) throw reason
      return failed((reason as Error).message, reason)
    }
    if (fetched?.outcome === 'error') return failed(`OpenFIGI answered: ${fetched.message}`)
    const row = await lookups.fetched(lookup)
    const isNew = Number(row.last_fetched_date) > Number(known.last_fetched_date)
    if (isNew) return row
    // What was cleared while we asked is not written back: the answer is good all the same.
    const own = fetched && resolvedOf(fetched, new Date())
    return (
      own ?? failed('another process asked, and OpenFIGI answered with an error; it is asked again by itself')
    )
  }

  async #fromApi(identifier: Identifier, isCounted: boolean): Promise<ResolvedMapping> {
    const kept = this.#apiOnly.kept(identifier)
    const status = kept?.answer.outcome === 'listing' ? 'hit' : kept ? 'negative' : 'miss'
    if (!isCounted) this.#count(identifier.type, status, kept ? 'process' : 'openfigi')
    try {
      const { answer, askedAt } = await this.#apiOnly.answer(identifier)
      const resolved = resolvedOf(answer, new Date(Date.now() - (monotonicNow() - askedAt)))
      if (resolved) return resolved
      throw new Error(`OpenFIGI answered: ${answer.message}`)
    } catch (error) {
      throw new LookupFailedError(identifier, (error as Error).message, { cause: error })
    }
  }

  #count(type: IdentifierType | 'unknown', status: Status, source: LookupSource): void {
    this.#counting.add('lookups', { type, status, source })
  }

  /** Closed by the database before it ends its connections. */
  #ownCounting(kind: ProcessKind): ProcessCounting {
    return new ProcessCounting({
      kind,
      logger: this.#logger,
      query: (query) => this.#needsDatabase().besides(query),
    })
  }

  #needsDatabase(): ClientDatabase {
    if (this.#database) return this.#database
    throw new Error('This client was made with enableCache: false and has no database')
  }
}

function isType(type: string | null): type is IdentifierType {
  return type === 'CUSIP' || type === 'ISIN'
}
