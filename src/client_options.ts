import type { Dispatcher } from 'undici'
import { type Config, parseConfig, readEnvironment } from './config.ts'
import { ConfigError } from './errors/config_error.ts'
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

/** Each option with the variable that it goes before; null where there is none. */
const variables = {
  apiKey: 'OPENFIGI_API_KEY',
  dbUrl: 'DATABASE_URL',
  dbReadUrl: 'DATABASE_READ_URL',
  dbDirectUrl: 'DATABASE_DIRECT_URL',
  cacheMaxAgeDays: 'OPENFIGI_CACHE_MAX_AGE_DAYS',
  enableCache: null,
  apiUrl: 'OPENFIGI_API_URL',
  rateLimit: 'OPENFIGI_RATE_LIMIT',
  jobsPerRequest: 'OPENFIGI_JOBS_PER_REQUEST',
  listingPreference: 'OPENFIGI_LISTING_PREFERENCE',
  timeoutMs: 'OPENFIGI_TIMEOUT_MS',
  home: 'PGFIGI_HOME',
  maxConnections: 'PGFIGI_MAX_CONNECTIONS',
  idleTimeoutSeconds: 'PGFIGI_IDLE_TIMEOUT_SECONDS',
  connectionLifetimeSeconds: 'PGFIGI_CONNECTION_LIFETIME_SECONDS',
  prepare: 'PGFIGI_PREPARE',
  queryTimeoutMs: 'PGFIGI_QUERY_TIMEOUT_MS',
  cacheInProcess: 'PGFIGI_CACHE_IN_PROCESS',
  maxReplicaLagSeconds: 'PGFIGI_MAX_REPLICA_LAG_SECONDS',
  maxKept: null,
  logger: null,
  dispatcher: null,
} as const satisfies Record<keyof OpenFIGIClientOptions, string | null>

/** The names of all options. */
export const optionNames = Object.keys(variables) as (keyof OpenFIGIClientOptions)[]

const mostKept = 10_000_000
const isCount = (value: unknown) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= mostKept
const has = (value: unknown, method: string) =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Record<string, unknown>)[method] === 'function'

/** What is wrong with an option that has no variable; TypeScript knows, others do not. */
const problems: Readonly<Partial<Record<keyof OpenFIGIClientOptions, (value: unknown) => string | null>>> = {
  enableCache: (value) => (typeof value === 'boolean' ? null : 'must be true or false'),
  maxKept: (value) => (isCount(value) ? null : `must be a whole number from 0 to ${mostKept}`),
  logger: (value) =>
    ['debug', 'info', 'warn', 'error'].every((method) => has(value, method))
      ? null
      : 'must be a logger like pino',
  dispatcher: (value) => (has(value, 'dispatch') ? null : 'must be an undici dispatcher'),
}

/**
 * The settings of a client: its options over the environment and `.env`, parsed by the same rules. Throws a ConfigError that
 * names every option and variable that cannot be used.
 */
export function configOf(options: OpenFIGIClientOptions): Config {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new ConfigError(['The options of a client must be an object, such as { dbUrl: ... }'])
  const faults: string[] = []
  const given: Record<string, string> = {}
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || value === null) continue
    const variable = Object.hasOwn(variables, name) ? variables[name as keyof typeof variables] : undefined
    if (variable === undefined) faults.push(`${shownName(name)} is no option of a client`)
    else if (variable !== null) {
      if (['string', 'number', 'boolean'].includes(typeof value)) given[variable] = String(value)
      else faults.push(`${name} must be a text, a number, or true or false`)
    } else {
      const problem = problems[name as keyof typeof variables]?.(value) ?? null
      if (problem !== null) faults.push(`${name} ${problem}`)
    }
  }
  return withFaults(faults, () => parseConfig({ ...readEnvironment(), ...given }))
}

/** What `work` gives, unless there are faults already or it finds some: then all of them are thrown together. */
function withFaults<T>(faults: readonly string[], work: () => T): T {
  let result: { readonly value: T } | null = null
  let others: readonly string[] = []
  try {
    result = { value: work() }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    others = error.faults
  }
  if (result === null || faults.length > 0) throw new ConfigError([...faults, ...others])
  return result.value
}

const shownName = (name: string) => JSON.stringify(name.slice(0, 40))
