import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { parse } from 'dotenv'
import { z } from 'zod'
import { forWriting } from './database/server_urls.ts'
import { ConfigError } from './errors/config_error.ts'
import { InvalidSettingError } from './errors/invalid_setting_error.ts'
import { parseApiUrl } from './openfigi/api_url.ts'
import { type ListingPreference, parseListingPreference } from './openfigi/markets.ts'

/** So many requests within any window of so many milliseconds. */
export interface RateLimit {
  readonly capacity: number
  readonly windowMs: number
}

/** How a client uses its databases. */
export interface ClientSettings {
  /** Most connections at once, to each database. */
  readonly maxConnections: number
  /** A connection that nobody uses is closed after so long; zero keeps it. */
  readonly idleTimeoutSeconds: number
  /** A connection is replaced after so long; zero never, undefined after 30 to 60 minutes. */
  readonly connectionLifetimeSeconds: number | undefined
  /** False behind a transaction pooler such as PgBouncer. */
  readonly prepare: boolean
  /** A query that takes longer counts as "the database is away". */
  readonly queryTimeoutMs: number
  /** Most hits and negatives kept in the process; zero keeps none. */
  readonly cacheInProcess: number
  /** Lookups on a replica miss nothing that was committed longer ago; zero takes whatever it says. */
  readonly maxReplicaLagSeconds: number
}

/** Where the page listens, and what opens it. */
export interface PageSettings {
  readonly host: string
  /** Undefined: 8080. Zero picks a free one. */
  readonly port: number | undefined
  /** For people, at the login. */
  readonly password: string | undefined
  /** For programs, as a bearer token. */
  readonly token: string | undefined
}

/** Everything that the environment can set, with the defaults filled in. */
export interface Config {
  readonly databaseUrl: string | undefined
  /** A replica, for lookups. */
  readonly databaseReadUrl: string | undefined
  /** The primary past any transaction pooler, for what needs a session of its own. */
  readonly databaseDirectUrl: string | undefined
  readonly client: ClientSettings
  readonly apiKey: string | undefined
  readonly apiUrl: URL
  /** Undefined leaves it to the database's own setting (pgfigi.cache_max_age), else 60. */
  readonly cacheMaxAgeDays: number | undefined
  readonly autoRefreshStale: boolean
  readonly rateLimit: RateLimit
  readonly jobsPerRequest: number
  readonly listingPreference: ListingPreference
  readonly timeoutMs: number
  readonly page: PageSettings
  /** The folder of the embedded database. */
  readonly home: string
  readonly logLevel: LogLevel
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** Where the embedded database lives unless PGFIGI_HOME says otherwise. */
export const defaultHome = join(homedir(), '.pgfigi')

/** Environment variables by name; an empty one counts as unset. */
export type Environment = Readonly<Record<string, string | undefined>>

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 }

const databaseUrl = z
  .string()
  .refine(
    (url) => /^postgres(ql)?:\/\//.test(url),
    'must be a URL such as postgres://user:password@host:5432/database',
  )

const wholeNumber = (from: number, to: number, what: string) =>
  z
    .string()
    .refine(
      (text) => /^\d+$/.test(text) && Number(text) >= from && Number(text) <= to,
      `must be ${what} from ${from} to ${to}`,
    )
    .transform(Number)

/** So short that it could be guessed is worse than none, since none listens on loopback alone. */
const leastSecret = 12

const yesOrNo = (fallback: 'true' | 'false') =>
  z
    .string()
    .default(fallback)
    .refine((text) => /^(true|false|1|0|yes|no|on|off)$/i.test(text), 'must be true or false')
    .transform((text) => /^(true|1|yes|on)$/i.test(text))

/** Whether that can be an address or the name of a host. */
export function isHost(text: string): boolean {
  return /^[\w.:-]+$/.test(text)
}

const environmentSchema = z.object({
  DATABASE_URL: databaseUrl.transform(forWriting).optional(),
  DATABASE_READ_URL: databaseUrl.optional(),
  DATABASE_DIRECT_URL: databaseUrl.transform(forWriting).optional(),
  PGFIGI_MAX_CONNECTIONS: wholeNumber(1, 1000, 'a whole number').default(10),
  PGFIGI_IDLE_TIMEOUT_SECONDS: wholeNumber(0, 86_400, 'seconds').default(30),
  PGFIGI_CONNECTION_LIFETIME_SECONDS: wholeNumber(0, 2_000_000, 'seconds').optional(),
  PGFIGI_PREPARE: yesOrNo('true'),
  PGFIGI_QUERY_TIMEOUT_MS: wholeNumber(1, 86_400_000, 'milliseconds').default(10_000),
  PGFIGI_CACHE_IN_PROCESS: wholeNumber(0, 10_000_000, 'a number of identifiers').default(0),
  PGFIGI_MAX_REPLICA_LAG_SECONDS: wholeNumber(0, 86_400, 'seconds').default(30),
  OPENFIGI_API_KEY: z
    .string()
    .refine((key) => /^[\x21-\x7e]+$/.test(key), 'must be the key alone, without blanks or line breaks')
    .optional(),
  OPENFIGI_API_URL: z.string().default('https://api.openfigi.com').transform(usable(parseApiUrl)),
  OPENFIGI_CACHE_MAX_AGE_DAYS: z
    .string()
    .refine(
      (text) => /^\d+(\.\d+)?$/.test(text) && Number(text) <= 36_500,
      'must be a number of days from 0 to 36500',
    )
    .transform(Number)
    .optional(),
  OPENFIGI_AUTO_REFRESH_STALE: yesOrNo('false'),
  OPENFIGI_RATE_LIMIT: z.string().transform(usable(parseRateLimit)).optional(),
  OPENFIGI_JOBS_PER_REQUEST: wholeNumber(1, 100, 'a whole number').optional(),
  OPENFIGI_LISTING_PREFERENCE: z.string().default('US,home,any').transform(usable(parseListingPreference)),
  OPENFIGI_TIMEOUT_MS: wholeNumber(1, 600_000, 'milliseconds').default(30_000),
  PGFIGI_PAGE_HOST: z
    .string()
    .refine(isHost, 'must be an address or a host name, such as 127.0.0.1')
    .default('127.0.0.1'),
  PGFIGI_PAGE_PORT: wholeNumber(0, 65_535, 'a port').optional(),
  PGFIGI_PAGE_PASSWORD: z
    .string()
    .refine(
      (password) => password.length >= leastSecret && password.length <= 1000,
      `must have at least ${leastSecret} characters, and no more than 1000`,
    )
    .optional(),
  PGFIGI_PAGE_TOKEN: z
    .string()
    .refine(
      (token) => token.length >= leastSecret && /^[\x21-\x7e]{1,1000}$/.test(token),
      `must have at least ${leastSecret} characters, no more than 1000, and no blanks or line breaks`,
    )
    .optional(),
  PGFIGI_HOME: z.string().optional(),
  LOG_LEVEL: z
    .string()
    .default('info')
    .transform((level) => level.toLowerCase())
    .pipe(z.enum(logLevels, `must be one of ${logLevels.join(', ')}`)),
})

/** The rate limit in the form `25/7s`, `25/1400ms` or `25/1m`. */
export function parseRateLimit(text: string): RateLimit {
  const match = /^\s*(\d{1,6})\s*\/\s*(\d{1,9})\s*(ms|s|m)\s*$/.exec(text)
  const capacity = Number(match?.[1])
  const windowMs = Number(match?.[2]) * (unitsMs[match?.[3] ?? ''] ?? Number.NaN)
  if (!(capacity >= 1 && capacity <= 1000 && windowMs >= 1 && windowMs <= 3_600_000)) {
    throw new InvalidSettingError(
      'OPENFIGI_RATE_LIMIT',
      'must be requests/window such as 25/7s or 25/1400ms: 1 to 1000 requests, at most 60 minutes',
    )
  }
  return { capacity, windowMs }
}

/** OpenFIGI allows 25 requests in 6 s with a key and in 60 s without; the difference absorbs jitter. */
function defaultRateLimit(hasKey: boolean): RateLimit {
  return { capacity: 25, windowMs: hasKey ? 7000 : 70_000 }
}

/** OpenFIGI takes 100 jobs a request with a key, 10 without. */
export function defaultJobsPerRequest(hasKey: boolean): number {
  return hasKey ? 100 : 10
}

/** Parses the environment; throws a ConfigError that names every fault. */
export function parseConfig(environment: Environment): Config {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value.trim() !== ''),
  )
  const parsed = environmentSchema.safeParse(given)
  if (!parsed.success) {
    throw new ConfigError(parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`))
  }
  const env = parsed.data
  const hasKey = env.OPENFIGI_API_KEY !== undefined
  return {
    databaseUrl: env.DATABASE_URL,
    databaseReadUrl: env.DATABASE_READ_URL,
    databaseDirectUrl: env.DATABASE_DIRECT_URL,
    client: {
      maxConnections: env.PGFIGI_MAX_CONNECTIONS,
      idleTimeoutSeconds: env.PGFIGI_IDLE_TIMEOUT_SECONDS,
      connectionLifetimeSeconds: env.PGFIGI_CONNECTION_LIFETIME_SECONDS,
      prepare: env.PGFIGI_PREPARE,
      queryTimeoutMs: env.PGFIGI_QUERY_TIMEOUT_MS,
      cacheInProcess: env.PGFIGI_CACHE_IN_PROCESS,
      maxReplicaLagSeconds: env.PGFIGI_MAX_REPLICA_LAG_SECONDS,
    },
    apiKey: env.OPENFIGI_API_KEY,
    apiUrl: env.OPENFIGI_API_URL,
    cacheMaxAgeDays: env.OPENFIGI_CACHE_MAX_AGE_DAYS,
    autoRefreshStale: env.OPENFIGI_AUTO_REFRESH_STALE,
    rateLimit: env.OPENFIGI_RATE_LIMIT ?? defaultRateLimit(hasKey),
    jobsPerRequest: env.OPENFIGI_JOBS_PER_REQUEST ?? defaultJobsPerRequest(hasKey),
    listingPreference: env.OPENFIGI_LISTING_PREFERENCE,
    timeoutMs: env.OPENFIGI_TIMEOUT_MS,
    page: {
      host: env.PGFIGI_PAGE_HOST,
      port: env.PGFIGI_PAGE_PORT,
      password: env.PGFIGI_PAGE_PASSWORD,
      token: env.PGFIGI_PAGE_TOKEN,
    },
    home: resolve(env.PGFIGI_HOME ?? defaultHome),
    logLevel: env.LOG_LEVEL,
  }
}

/** The process's environment over the `.env` file of the working folder, which never overrides what is set. */
export function readEnvironment(folder = process.cwd(), environment: Environment = process.env): Environment {
  return { ...dotenvOf(folder), ...environment }
}

function dotenvOf(folder: string): Environment {
  try {
    return parse(readFileSync(join(folder, '.env')))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new ConfigError([`.env cannot be read: ${(error as Error).message}`])
  }
}

/** A zod transform from a parser that throws InvalidSettingError. */
function usable<T>(parser: (text: string) => T) {
  return (text: string, context: z.RefinementCtx): T => {
    try {
      return parser(text)
    } catch (error) {
      if (!(error instanceof InvalidSettingError)) throw error
      context.addIssue({ code: 'custom', message: error.problem })
      return z.NEVER
    }
  }
}
