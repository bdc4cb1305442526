import postgres from 'postgres'
import { UserQueryError } from '../errors/user_query_error.ts'
import type { Sql } from './connect.ts'
import { isAway } from './faults.ts'

/** Some rows of a query's result, as texts: '' for null. */
export interface QueryRows {
  readonly names: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/**
 * The result of a query that a user wrote, so many rows at a time, by a cursor: the one place where such a text is sent. It
 * runs as a single statement in a read-only transaction, which lasts until the last row is taken. Throws a UserQueryError
 * where the database refuses it.
 */
export async function* rowsOfQuery(sql: Sql, text: string, batchSize: number): AsyncGenerator<QueryRows> {
  const session = await sql.reserve()
  // Not by the simple protocol, which takes several statements: the second might end the transaction.
  const query = () => session.unsafe(text, [], { simple: false } as postgres.UnsafeQueryOptions)
  try {
    await session`begin transaction read only`
    // First alone: a cursor of the driver waits for ever where there is no statement in the text.
    const { columns } = await query().describe()
    const names = columns.map(({ name }) => name)
    if (names.length === 0 || !(await isPlanned(session, text)))
      throw new UserQueryError('it is no select.', '42601')
    const cursor = query().values().cursor(batchSize) as AsyncIterable<unknown[][]>
    for await (const rows of cursor) yield { names, rows: rows.map((row) => row.map(textOf)) }
  } catch (error) {
    throw explainedToItsAuthor(error)
  } finally {
    await session`rollback`.catch(() => {})
    session.release()
  }
}

/** SHOW and EXPLAIN have columns too, whose rows no cursor brings. */
async function isPlanned(session: postgres.ReservedSql, text: string): Promise<boolean> {
  try {
    await session`savepoint planned`
    await session.unsafe(`explain ${text}`, [], { simple: false } as postgres.UnsafeQueryOptions)
    return true
  } catch (error) {
    if (error instanceof postgres.PostgresError && error.code === '42601') return false
    throw error
  } finally {
    await session`rollback to savepoint planned`.catch(() => {}) // it may not have come so far
  }
}

function textOf(value: unknown): string {
  return value === null || value === undefined ? '' : String(value)
}

/** What a person needs to mend a query; everything else stays as it is. */
function explainedToItsAuthor(error: unknown): unknown {
  if (!(error instanceof postgres.PostgresError)) return error
  // 08P01: the text has parameters ($1). 57014: statement_timeout; 25P02: the same, while the driver was not listening.
  if (error.code !== '08P01' && (isAway(error) || error.code === '57014' || error.code === '25P02'))
    return error
  const { code, message, position, hint } = error
  if (code === '25006') {
    return new UserQueryError(`${message}. It may only read, as a select does.`, code, { cause: error })
  }
  const place = position === undefined ? '' : `, at character ${position}`
  return new UserQueryError(`${message}${place}.${hint ? ` ${hint}` : ''}`, code, { cause: error })
}
