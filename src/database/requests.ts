import type { Identifier, IdentifierType } from '../identifiers.ts'
import type { Sql } from './connect.ts'

/** A request claimed for fetching. unfiltered: the preferred market is known to know nothing. */
export interface Claim {
  readonly identifier: Identifier
  readonly unfiltered: boolean
}

/** What is recorded of one identifier's answer; the keys are the columns that figi_private.record_answers reads. */
export interface Answer {
  readonly identifier_type: IdentifierType
  readonly identifier_value: string
  readonly outcome: 'listing' | 'none' | 'unfiltered' | 'error'
  readonly message?: string
  readonly ticker?: string
  readonly figi?: string
  readonly composite_figi?: string | null
  readonly share_class_figi?: string | null
  readonly name?: string | null
  readonly exch_code?: string | null
  readonly security_type?: string | null
  readonly security_type2?: string | null
  readonly market_sector?: string | null
  readonly alternatives?: readonly object[] | null
}

interface IdentifierRow {
  readonly identifier_type: IdentifierType
  readonly identifier_value: string
}

/** Claims identifiers for so many API requests until the lease ends; with `wanted`, only as long as one of these waits. */
export async function claimRequests(
  sql: Sql,
  options: {
    claimant: string
    requests: number
    jobsPerRequest: number
    leaseMs: number
    wanted: readonly Identifier[] | null
  },
): Promise<Claim[]> {
  const types = options.wanted?.map((identifier) => identifier.type) ?? null
  const values = options.wanted?.map((identifier) => identifier.value) ?? null
  const rows = await sql<(IdentifierRow & { unfiltered: boolean })[]>`
    select identifier_type, identifier_value, unfiltered
    from figi_private.claim_requests(
      ${options.claimant}, ${options.requests * options.jobsPerRequest}, ${options.jobsPerRequest},
      ${options.leaseMs}::float8 * interval '1 millisecond', ${types}::text[], ${values}::text[]
    )`
  return rows.map((row) => ({ identifier: identifierOf(row), unfiltered: row.unfiltered }))
}

/** Extends the leases that the claimants hold. */
export async function renewClaims(sql: Sql, claimants: readonly string[], leaseMs: number): Promise<void> {
  await sql`
    select figi_private.renew_claims(claimant, ${leaseMs}::float8 * interval '1 millisecond')
    from pg_catalog.unnest(${claimants as string[]}::text[]) as claimant`
}

/** Gives identifiers back: at once without a reason, after a growing pause with one. */
export async function releaseClaims(
  sql: Sql,
  claimant: string,
  identifiers: readonly Identifier[],
  reason: string | null,
): Promise<void> {
  const types = identifiers.map((identifier) => identifier.type)
  const values = identifiers.map((identifier) => identifier.value)
  await sql`select figi_private.release_claims(${claimant}, ${types}::text[], ${values}::text[], ${reason})`
}

/** Records the answers of one API request, asked for so many milliseconds ago, in one transaction. */
export async function recordAnswers(sql: Sql, answers: readonly Answer[], ageMs: number): Promise<void> {
  await sql`
    select figi_private.record_answers(${JSON.stringify(answers)}::text::jsonb, ${ageMs}::float8 * interval '1 millisecond')`
}

/** Those of the identifiers that are still to be fetched, by us or by anybody. */
export async function pendingOf(sql: Sql, identifiers: readonly Identifier[]): Promise<Identifier[]> {
  const types = identifiers.map((identifier) => identifier.type)
  const values = identifiers.map((identifier) => identifier.value)
  const rows = await sql<IdentifierRow[]>`
    select identifier_type, identifier_value
    from figi_private.pending_requests(${types}::text[], ${values}::text[])`
  return rows.map(identifierOf)
}

/** Milliseconds until the next request can be claimed, within a minute; null where there is none. */
export async function nextClaimInMs(sql: Sql): Promise<number | null> {
  const [row] = await sql<{ ms: number | null }[]>`
    select (extract(epoch from figi_private.next_claim_in()) * 1000.0)::float8 as ms`
  return row?.ms ?? null
}

function identifierOf(row: IdentifierRow): Identifier {
  return { type: row.identifier_type, value: row.identifier_value }
}
