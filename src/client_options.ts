import type { Dispatcher } from 'undici'
import { type Config, type Environment, parseConfig, readEnvironment } from './config.ts'
import type { Logger } from './log.ts'

/** Options of the client. Each also has an environment variable, named beside it; the option goes first. */
export interface OpenFIGIClientOptions {
  /** OPENFIGI_API_KEY */
  readonly apiKey?: string | undefined
  /** DATABASE_URL; without either, the embedded database. */
  readonly dbUrl?: string | undefined
  /** DATABASE_READ_URL: a replica that lookups go to; what it does not know, and whatever is written, goes to `dbUrl`. */
  readonly dbReadUrl?: string | undefined
  /** DATABASE_DIRECT_URL: past a transaction pooler in `dbUrl`, the server itself, for `cacheInProcess` alone. */
  readonly dbDirectUrl?: string | undefined
  /** OPENFIGI_CACHE_MAX_AGE_DAYS; without either, the database's setting pgfigi.cache_max_age, else 60. Zero: always stale. */
  readonly cacheMaxAgeDays?: number | undefined
  /** False does without a database: every lookup asks OpenFIGI. Default true. */
  readonly enableCache?: boolean | undefined
  /** OPENFIGI_API_URL */
  readonly apiUrl?: string | undefined
  /** OPENFIGI_RATE_LIMIT, for example `25/7s`. */
  readonly rateLimit?: string | undefined
  /** OPENFIGI_JOBS_PER_REQUEST */
  readonly jobsPerRequest?: number | undefined
  /** OPENFIGI_LISTING_PREFERENCE, for example `US,home,any`. */
  readonly listingPreference?: string | undefined
  /** OPENFIGI_TIMEOUT_MS: for one request to OpenFIGI. */
  readonly timeoutMs?: number | undefined
  /** PGFIGI_HOME: the folder of the embedded database. */
  readonly home?: string | undefined
  /** PGFIGI_MAX_CONNECTIONS: most connections to each database. Default 10. */
  readonly maxConnections?: number | undefined
  /** PGFIGI_IDLE_TIMEOUT_SECONDS: connections that nobody uses are closed after so long; zero keeps them. Default 30. */
  readonly idleTimeoutSeconds?: number | undefined
  /** PGFIGI_CONNECTION_LIFETIME_SECONDS: connections are replaced after so long; zero: never. Default: 30 to 60 minutes. */
  readonly connectionLifetimeSeconds?: number | undefined
  /** PGFIGI_PREPARE: false behind a transaction pooler such as PgBouncer. Default true. */
  readonly prepare?: boolean | undefined
  /** PGFIGI_QUERY_TIMEOUT_MS: a database query that takes longer counts as "the database is away". Default 10000. */
  readonly queryTimeoutMs?: number | undefined
  /**
   * PGFIGI_CACHE_IN_PROCESS: so many hits and negatives are kept in the process, until they are past their age or anything
   * changes in the database. Takes a connection of its own, not through a transaction pooler. Default 0: none.
   */
  readonly cacheInProcess?: number | undefined
  /**
   * PGFIGI_MAX_REPLICA_LAG_SECONDS: lookups on the replica miss nothing that was committed longer ago; where that cannot be
   * found out, the primary answers. Default 30; 0 takes whatever the replica says.
   */
  readonly maxReplicaLagSeconds?: number | undefined
  /** Answers kept while the database is away. Default 100000. */
  readonly maxKept?: number | undefined
  /** A pino logger or anything like it. Default: warnings and errors to stderr. */
  readonly logger?: Logger | undefined
  /** An undici dispatcher, for a proxy for example. */
  readonly dispatcher?: Dispatcher | undefined
}

/** The settings of a client: its options over the environment and `.env`, parsed by the same rules. */
export function configOf(options: OpenFIGIClientOptions): Config {
  const given: Environment = {
    DATABASE_URL: options.dbUrl,
    DATABASE_READ_URL: options.dbReadUrl,
    DATABASE_DIRECT_URL: options.dbDirectUrl,
    OPENFIGI_API_KEY: options.apiKey,
    OPENFIGI_API_URL: options.apiUrl,
    OPENFIGI_CACHE_MAX_AGE_DAYS: options.cacheMaxAgeDays?.toString(),
    OPENFIGI_RATE_LIMIT: options.rateLimit,
    OPENFIGI_JOBS_PER_REQUEST: options.jobsPerRequest?.toString(),
    OPENFIGI_LISTING_PREFERENCE: options.listingPreference,
    OPENFIGI_TIMEOUT_MS: options.timeoutMs?.toString(),
    PGFIGI_HOME: options.home,
    PGFIGI_MAX_CONNECTIONS: options.maxConnections?.toString(),
    PGFIGI_IDLE_TIMEOUT_SECONDS: options.idleTimeoutSeconds?.toString(),
    PGFIGI_CONNECTION_LIFETIME_SECONDS: options.connectionLifetimeSeconds?.toString(),
    PGFIGI_PREPARE: options.prepare?.toString(),
    PGFIGI_QUERY_TIMEOUT_MS: options.queryTimeoutMs?.toString(),
    PGFIGI_CACHE_IN_PROCESS: options.cacheInProcess?.toString(),
    PGFIGI_MAX_REPLICA_LAG_SECONDS: options.maxReplicaLagSeconds?.toString(),
  }
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  return parseConfig({ ...readEnvironment(), ...set })
}
