import { DeadlineError } from '../errors/deadline_error.ts'
import { hangUp, type Sql } from './connect.ts'
import { queryDeadlineMs, within } from './deadline.ts'

/** As within, for a query on that pool, whose connections are given up where the deadline passes. */
export async function answered<T>(sql: Sql, milliseconds: number, query: PromiseLike<T>): Promise<T> {
  try {
    return await within(milliseconds, 'The database', query)
  } catch (error) {
    if (error instanceof DeadlineError) hangUp(sql)
    throw error
  }
}

/**
 * Throws where the database does not answer a first question in time: for work whose own queries may take long, or have no
 * deadline. The driver goes on for ever where what listens there is no PostgreSQL.
 */
export async function requireAnswer(sql: Sql): Promise<void> {
  await answered(sql, queryDeadlineMs, sql`select`)
}
