import postgres from 'postgres'

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
  /**
   * False where no query takes or gives an array: the driver then asks nothing of its own on a new connection, which nobody could
   * catch where the connection is lost meanwhile.
   */
  readonly hasArrays?: boolean
  /** What pg_stat_activity shows; begins with pgfigi, by which the database tells our sessions from others. */
  readonly applicationName?: string
}

/** A pool of connections; none is opened before the first query. */
export function connect(url: string, options: ConnectOptions = {}): Sql {
  return postgres(withoutApplicationName(url), {
    max: options.max ?? 10,
    prepare: options.prepare ?? true,
    fetch_types: options.hasArrays ?? true,
    idle_timeout: options.idleTimeoutSeconds ?? 30,
    ...(options.connectionLifetimeSeconds === undefined
      ? {}
      : { max_lifetime: options.connectionLifetimeSeconds || null }),
    connect_timeout: 5,
    backoff: (retries: number) => Math.min(2 ** retries / 10, 2) * (0.5 + Math.random() / 2),
    onnotice: () => {},
    connection: { application_name: options.applicationName ?? 'pgfigi', ...readable },
  })
}

/** The driver reads times in this form alone, whatever a role or database is set to; transaction poolers know this parameter, too. */
export const readable = { DateStyle: 'ISO, MDY' }

/** One that stands in the URL would go before ours. */
export function withoutApplicationName(url: string): string {
  return url.replace(/([?&])application_name=[^&#]*&?/, '$1').replace(/[?&]$/, '')
}
