import type { Sql } from 'postgres'
import type { CounterName } from '../../src/counting/counters.ts'
import { counterTotals } from '../../src/database/counting.ts'

/** What the database has counted of one counter, by the values of its labels in their order: { 'CUSIP hit database': 3 }. */
export async function counted(
  sql: Sql,
  counter: CounterName,
  names: readonly string[],
): Promise<Record<string, number>> {
  const totals = (await counterTotals(sql)).filter((row) => row.counter === counter)
  const entries = totals.map(
    ({ labels, total }) => [names.map((name) => labels[name]).join(' '), total] as const,
  )
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

export const countedLookups = (sql: Sql) => counted(sql, 'lookups', ['type', 'status', 'source'])

export const sum = (counts: Readonly<Record<string, number>>) =>
  Object.values(counts).reduce((total, count) => total + count, 0)
