import postgres from 'postgres'
import { choiceOf } from './choose_server.ts'
import { Closing, outliveClosing } from './closing_connections.ts'
import { driverOptions } from './driver_options.ts'
import { serverUrls } from './server_urls.ts'
import { Sockets } from './sockets.ts'

export type Sql = postgres.Sql

export interface ConnectOptions {
  /** Most connections at once. */
  readonly max?: number
  /** False behind a transaction pooler such as PgBouncer. */
  readonly prepare?: boolean
  /** Idle connections are closed after so many seconds; zero keeps them. */
  readonly idleTimeoutSeconds?: number
  /** Connections are replaced after so many seconds; zero never, undefined after 30 to 60 minutes. */
  readonly connectionLifetimeSeconds?: number | undefined
  /** How long a new connection may take to come about. */
  readonly connectTimeoutSeconds?: number
  /** What pg_stat_activity shows; begins with pgfigi, by which the database tells our sessions from others. */
  readonly applicationName?: string
  /** Told the settings that a server reports by itself, as in_hot_standby. */
  readonly onParameter?: (name: string, value: string) => void
}

/** A pool that a slow database has hung up again and again would leave it more sessions each time. */
const hangUpEveryMs = 60_000

const pools = new WeakMap<Sql, { readonly sockets: Sockets; hungUpAt: number }>()

/** A pool of connections; none is opened before the first query. Of a URL of several servers it goes to the one that will do. */
export function connect(url: string, options: ConnectOptions = {}): Sql {
  return pooled(url, {
    max: options.max ?? 10,
    prepare: options.prepare ?? true,
    idle_timeout: options.idleTimeoutSeconds ?? 30,
    ...(options.connectionLifetimeSeconds === undefined
      ? {}
      : { max_lifetime: options.connectionLifetimeSeconds || null }),
    connect_timeout: options.connectTimeoutSeconds ?? 5,
    backoff: (retries: number) => Math.min(2 ** retries / 10, 2) * (0.5 + Math.random() / 2),
    onnotice: () => {},
    ...(options.onParameter ? { onparameter: options.onParameter } : {}),
    connection: { application_name: options.applicationName ?? 'pgfigi', ...readable },
  })
}

/** The driver's pool, with the sockets of our own making. */
export function pooled(url: string, options: postgres.Options<Record<string, never>>): Sql {
  const { urls, wanted } = serverUrls(url)
  const isOthersNow = { 'read-write': 'on', primary: 'on', standby: 'off' }[String(wanted)]
  const closing = new Closing()
  const sockets = new Sockets(choiceOf(url), () => closing.begins())
  const pool = postgres(withoutApplicationName(urls[0]), {
    ...options,
    ...driverOptions(urls[0], sockets),
    onparameter(name, value) {
      // A primary that has become read-only, a standby that has been promoted.
      const tells =
        wanted === 'read-write' ? /^(in_hot_standby|default_transaction_read_only)$/ : /^in_hot_standby$/
      if (urls.length > 1 && value === isOthersNow && tells.test(name))
        sockets.hangUp(`${name} is ${value} now`)
      options.onparameter?.(name, value)
    },
    onclose(connection) {
      closing.begins()
      options.onclose?.(connection)
    },
  })
  const sql = outliveClosing(pool, closing)
  const end = sql.end
  sql.end = async (how) => {
    await Promise.race([end(how), sockets.areGone()])
    void sockets.end()
  }
  pools.set(sql, { sockets, hungUpAt: Number.NEGATIVE_INFINITY })
  return sql
}

/**
 * Gives up all connections of a pool, on which nothing comes back: they would stay taken until the system gives them up, a
 * quarter of an hour later. At most once a minute.
 */
export function hangUp(sql: Sql): void {
  const pool = pools.get(sql)
  if (!pool || performance.now() - pool.hungUpAt < hangUpEveryMs) return
  pool.hungUpAt = performance.now()
  pool.sockets.hangUp('nothing came back on it')
}

/** The driver reads times in this form alone, whatever a role or database is set to; transaction poolers know this parameter, too. */
const readable = { DateStyle: 'ISO, MDY' }

/** One that stands in the URL would go before ours. */
export function withoutApplicationName(url: string): string {
  return url.replace(/([?&])application_name=[^&#]*&?/, '$1').replace(/[?&]$/, '')
}
