import type { Sql } from './connect.ts'
import { queryDeadlineMs, within } from './deadline.ts'

/**
 * Throws where the database does not answer a first question in time: for work whose own queries may take long, or have no
 * deadline. The driver goes on for ever where what listens there is no PostgreSQL.
 */
export async function requireAnswer(sql: Sql): Promise<void> {
  await within(queryDeadlineMs, 'The database', sql`select`)
}
