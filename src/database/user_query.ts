import postgres, { type TransactionSql } from 'postgres'
import { UserQueryError } from '../errors/user_query_error.ts'
import type { Sql } from './connect.ts'
import { isAway } from './faults.ts'
import { transactionRows } from './transaction_rows.ts'

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
  try {
    yield* transactionRows(sql, 'read only', (inside) => batchesOf(inside, text, batchSize))
  } catch (error) {
    throw explainedToItsAuthor(error)
  }
}

async function* batchesOf(sql: TransactionSql, text: string, batchSize: number): AsyncGenerator<QueryRows> {
  // First as it stands: what is wrong with it is told with its place.
  const { columns } = await single(sql, text).describe()
  const names = columns.map(({ name }) => name)
  if (names.length === 0) throw noSelect()
  await sql`select pg_catalog.set_config('cursor_tuple_fraction', '1', true)` // all rows are taken
  await single(sql, `declare rows_of_query no scroll cursor for ${text}`).catch((error) => {
    // SHOW, EXPLAIN and what returns rows that it writes have columns too.
    throw error instanceof postgres.PostgresError && error.code === '42601' ? noSelect() : error
  })
  for (;;) {
    const rows = await single(sql, `fetch ${batchSize} from rows_of_query`).values()
    if (rows.length === 0) return
    yield { names, rows: rows.map((row) => row.map(textOf)) }
  }
}

/** Not by the simple protocol, which takes several statements: the second might end the transaction. */
function single(sql: TransactionSql, text: string) {
  return sql.unsafe(text, [], { simple: false } as postgres.UnsafeQueryOptions)
}

function noSelect(): UserQueryError {
  return new UserQueryError('it is no select, and it may only read.', '42601')
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
