import postgres, { type ISql } from 'postgres'

type Sql = ISql

/** A row of resolve_mapping, as far as tests look at it. */
export interface Resolved {
  readonly identifier_type: string | null
  readonly identifier_value: string | null
  readonly ticker: string | null
  readonly status: string
  readonly fetch_requested: boolean
  readonly resolved_via: string | null
}

export interface When {
  /** An instant as Postgres reads it. */
  readonly asOf?: string | null
  readonly maxAge?: string | null
}

/** What resolve_mapping answers; fails where it is not exactly one row. */
export async function resolve(
  sql: Sql,
  type: string | null,
  value: string | null,
  { asOf = null, maxAge = null }: When = {},
): Promise<Resolved> {
  const rows = await sql<Resolved[]>`
    select r.identifier_type, r.identifier_value, r.ticker, r.status, r.fetch_requested, r.resolved_via
    from public.resolve_mapping(${type}::text, ${value}::text, ${asOf}::text::timestamptz, ${maxAge}::text::interval) as r`
  const [row] = rows
  if (!row || rows.length !== 1) throw new Error(`resolve_mapping gave ${rows.length} rows`)
  return { ...row }
}

/** Records one observation, now where no instant is given. */
export async function observe(
  sql: Sql,
  type: string,
  value: string,
  ticker: string | null,
  at: string | null = null,
): Promise<void> {
  await sql`
    select from public.upsert_mapping(
      ${type}, ${value}, ${ticker}, coalesce(${at}::text::timestamptz, clock_timestamp())
    )`
}

export interface Period {
  readonly ticker: string | null
  readonly start: string
  readonly end: string | null
  readonly fetched: string
}

/** The history of one identifier, its instants in UTC to the microsecond. */
export async function periodsOf(sql: Sql, type: string, value: string): Promise<Period[]> {
  const rows = await sql<Period[]>`
    select
      m.ticker,
      (m.start_date at time zone 'UTC')::text as start,
      (m.end_date at time zone 'UTC')::text as end,
      (m.last_fetched_date at time zone 'UTC')::text as fetched
    from public.security_mappings m
    where m.identifier_type = ${type}
      and m.identifier_value = ${value}
    order by m.start_date`
  return rows.map((row) => ({ ...row }))
}

/** Looks CUSIPs up as analysts do, who have what is missing requested. */
export async function askFor(sql: Sql, values: readonly string[]): Promise<void> {
  await sql`select from public.resolve_mappings('CUSIP', ${values as string[]})`
}

/** How many rows there are, current and past. */
export async function mappingCount(sql: Sql): Promise<number> {
  const [row] = await sql<[{ count: number }]>`select count(*)::int as count from public.security_mappings`
  return row.count
}

/** How many requests for this identifier wait. */
export async function requestsFor(sql: Sql, type: string, value: string): Promise<number> {
  const [row] = await sql<[{ count: number }]>`
    select count(*)::int as count
    from figi_private.fetch_requests r
    where r.identifier_type = ${type}
      and r.identifier_value = ${value}`
  return row.count
}

/** What a statement failed with. Run it in a savepoint where the transaction is to go on. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly detail?: string
  readonly hint?: string
  readonly constraint_name?: string
}

export async function failureOf(work: PromiseLike<unknown>): Promise<Failure | null> {
  try {
    await work
    return null
  } catch (error) {
    return error as Failure
  }
}

export interface Session extends AsyncDisposable {
  readonly sql: Sql
  readonly pid: number
}

/** One more session in a database, for what takes two. */
export async function openSession(url: string): Promise<Session> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, idle_timeout: 0 })
  const [row] = await sql<[{ pid: number }]>`select pg_backend_pid() as pid`
  return { sql, pid: row.pid, [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }) }
}
