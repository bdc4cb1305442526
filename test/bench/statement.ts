import type { PendingQuery, Row, Sql } from 'postgres'

interface Plan {
  readonly 'Planning Time': number
  readonly 'Execution Time': number
}

/** Milliseconds that the server takes to plan and run a query, whatever it costs to send the rows. */
export async function serverTime(sql: Sql, query: PendingQuery<Row[]>): Promise<number> {
  const [row] = await sql<[{ 'QUERY PLAN': [Plan] }]>`explain (analyze, timing off, format json) ${query}`
  const [plan] = row['QUERY PLAN']
  return plan['Planning Time'] + plan['Execution Time']
}

export async function explained(sql: Sql, query: PendingQuery<Row[]>): Promise<string> {
  const rows = await sql<{ 'QUERY PLAN': string }[]>`explain (analyze, buffers) ${query}`
  return rows.map((row) => row['QUERY PLAN']).join('\n')
}

/** Milliseconds until a promise settles. */
export async function wallTime(work: () => PromiseLike<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}
