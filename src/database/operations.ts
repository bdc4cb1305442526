import type { Identifier } from '../identifiers.ts'
import type { Sql } from './connect.ts'

/** A row of page_requests and page_request_of. */
export interface RequestRow {
  readonly identifier_type: string
  readonly identifier_value: string
  readonly priority: 'lookup' | 'warming' | 'refresh'
  readonly state: 'waiting' | 'fetching' | 'gave up'
  readonly requested_at: Date
  /** Only where that is still to come. */
  readonly not_before: Date | null
  readonly attempts: number
  readonly last_error: string | null
  readonly gave_up_at: Date | null
}

/** A row of page_negatives. */
export interface NegativeRow {
  readonly identifier_type: string
  readonly identifier_value: string
  readonly last_fetched_date: Date
  readonly stale_at: Date
}

/** A row of page_bearers. */
export interface BearerRow {
  readonly identifier_type: string
  readonly identifier_value: string
  readonly ticker: string
  readonly name: string | null
  readonly start_date: Date
  readonly end_date: Date | null
}

/** A row of page_changes. */
export interface ChangeRow {
  readonly identifier_type: string
  readonly identifier_value: string
  readonly changed_at: Date
  readonly kind: 'first_seen' | 'renamed' | 'retired' | 'revived'
  readonly from_ticker: string | null
  readonly to_ticker: string | null
  readonly name: string | null
  readonly source: string
}

/** A row of page_jobs. */
export interface JobRow {
  /** bigint, so a string. */
  readonly id: string
  readonly task: string
  readonly state: 'ready' | 'later' | 'running' | 'dead worker' | 'failed'
  readonly run_at: Date
  readonly attempts: number
  readonly max_attempts: number
  readonly locked_at: Date | null
  readonly last_error: string | null
}

/** A row of page_processes. */
export interface ProcessRow {
  readonly kind: 'worker' | 'client' | 'command'
  readonly host: string
  readonly pid: number
  readonly version: string
  readonly started_at: Date
  readonly seen_at: Date
}

/** A row of page_runs. */
export interface RunRow {
  readonly task: string
  readonly last_run_at: Date
}

/** A row of page_actions. */
export interface ActionRow {
  readonly acted_at: Date
  readonly who: string
  readonly address: string
  readonly action: 'fetch' | 'retry' | 'retry_all' | 'unlock'
  readonly subject: string
  readonly outcome: string
}

/** Who presses a button: the name given at the login, and where from. */
export interface Actor {
  readonly who: string
  readonly address: string
}

/** Requests that wait, the most urgent first, or that gave up, the latest first. */
export async function pageRequests(
  sql: Sql,
  state: 'waiting' | 'gave_up',
  limit: number,
): Promise<RequestRow[]> {
  return sql<RequestRow[]>`select * from figi_private.page_requests(${state}, ${limit})`
}

/** The request for an identifier that waits, else the one that gave up last; null where there is neither. */
export async function pageRequestOf(sql: Sql, type: string, value: string): Promise<RequestRow | null> {
  const [row] = await sql<RequestRow[]>`select * from figi_private.page_request_of(${type}, ${value})`
  return row ?? null
}

/** What OpenFIGI does not know, the latest answers first. */
export async function pageNegatives(sql: Sql, limit: number): Promise<NegativeRow[]> {
  return sql<NegativeRow[]>`select * from figi_private.page_negatives(${limit})`
}

/** Which identifiers bear or bore a ticker, in whichever spelling. */
export async function pageBearers(sql: Sql, ticker: string, limit: number): Promise<BearerRow[]> {
  return sql<BearerRow[]>`select * from figi_private.page_bearers(${ticker}, ${limit})`
}

/** The changes that were recorded last, latest first. */
export async function pageChanges(sql: Sql, limit: number): Promise<ChangeRow[]> {
  return sql<ChangeRow[]>`select * from figi_private.page_changes(${limit})`
}

/** The jobs of our tasks, those first that want somebody to look. */
export async function pageJobs(sql: Sql, limit: number): Promise<JobRow[]> {
  return sql<JobRow[]>`select * from figi_private.page_jobs(${limit})`
}

/** The processes that were seen within a day and did not end in order, workers first. */
export async function pageProcesses(sql: Sql): Promise<ProcessRow[]> {
  return sql<ProcessRow[]>`select * from figi_private.page_processes()`
}

/** When each task ended last, as workers have counted it. */
export async function pageRuns(sql: Sql): Promise<RunRow[]> {
  return sql<RunRow[]>`select * from figi_private.page_runs()`
}

/** What people did by the buttons, latest first. */
export async function pageActions(sql: Sql, limit: number): Promise<ActionRow[]> {
  return sql<ActionRow[]>`select * from figi_private.page_actions(${limit})`
}

/** Has an identifier fetched again, though its answer is fresh; what came of it, in words. */
export async function actFetch(sql: Sql, actor: Actor, { type, value }: Identifier): Promise<string> {
  return outcomeOf(
    await sql`select figi_private.act_fetch(${actor.who}, ${actor.address}, ${type}, ${value}) as outcome`,
  )
}

/** Makes the request for an identifier that gave up wait again; what came of it, in words. */
export async function actRetry(sql: Sql, actor: Actor, { type, value }: Identifier): Promise<string> {
  return outcomeOf(
    await sql`select figi_private.act_retry(${actor.who}, ${actor.address}, ${type}, ${value}) as outcome`,
  )
}

/** Makes everything that gave up wait again; what came of it, in words. */
export async function actRetryAll(sql: Sql, { who, address }: Actor): Promise<string> {
  return outcomeOf(await sql`select figi_private.act_retry_all(${who}, ${address}) as outcome`)
}

/** Lets go of the jobs that dead workers hold; what came of it, in words. */
export async function actUnlock(sql: Sql, { who, address }: Actor): Promise<string> {
  return outcomeOf(await sql`select figi_private.act_unlock(${who}, ${address}) as outcome`)
}

/** Lets go of the jobs that dead workers hold; how many. */
export async function unlockDeadJobs(sql: Sql): Promise<number> {
  const [row] = await sql<{ unlocked: string }[]>`select figi_private.unlock_dead_jobs() as unlocked`
  return Number(row?.unlocked)
}

function outcomeOf(rows: readonly object[]): string {
  const [row] = rows as readonly { outcome: string }[]
  return row?.outcome ?? ''
}
