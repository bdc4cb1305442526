import type { Sql } from 'postgres'
import * as assert from 'uvu/assert'

/** Fails where health_checks(true), which reads every row, finds a law broken. */
export async function requireLawful(sql: Sql): Promise<void> {
  const [laws] = await sql<{ status: string; sentence: string }[]>`
    select status, sentence from public.health_checks(true) where name = 'laws'`
  assert.is(laws?.status, 'ok', laws?.sentence)
}

/** How many deadlocks the server has seen in this database. */
export async function deadlocksIn(sql: Sql): Promise<number> {
  const [row] = await sql<{ deadlocks: number }[]>`
    select deadlocks::int from pg_stat_database where datname = current_database()`
  return row?.deadlocks ?? 0
}
