import { DeadlineError } from '../errors/deadline_error.ts'
import { hangUp, type Sql } from './connect.ts'
import { within } from './deadline.ts'

/** As within, for a query on that pool, whose connections are given up where the deadline passes. */
export async function answered<T>(sql: Sql, milliseconds: number, query: PromiseLike<T>): Promise<T> {
  try {
    return await within(milliseconds, 'The database', query)
  } catch (error) {
    if (error instanceof DeadlineError) hangUp(sql)
    throw error
  }
}
