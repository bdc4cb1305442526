import postgres, { type Sql, type TransactionSql } from 'postgres'
import { requireNoTraceInDatabase } from './canaries.ts'
import { clusterUrl, databaseUrl } from './cluster.ts'
import { cloneDatabase, dropDatabase, emptyDatabase, processDatabase } from './template.ts'

export { withAdmin } from './template.ts'

export interface TestDatabase {
  readonly sql: Sql
  readonly url: string
}

const ROLLBACK = Symbol('rollback')

/**
 * Runs `work` in a transaction on a migrated database and always rolls it back. Where a statement is to fail, put it in
 * `sql.savepoint`, or the rest of the test runs in an aborted transaction.
 */
export async function withRollback<T>(work: (sql: TransactionSql) => Promise<T>): Promise<T> {
  const sql = connect(databaseUrl(await clusterUrl(), await processDatabase()), 1)
  let result: { value: T } | undefined
  try {
    await sql.begin(async (transaction) => {
      result = { value: await work(transaction) }
      throw ROLLBACK
    })
  } catch (error) {
    if (error !== ROLLBACK) throw error
  } finally {
    await sql.end({ timeout: 5 })
  }
  if (!result) throw new Error('The transaction ended without running the test')
  return result.value
}

/** Runs `work` with a migrated database of its own, where it may commit; the database is dropped after, and must not have kept a secret. */
export async function withDatabase<T>(work: (database: TestDatabase) => Promise<T>): Promise<T> {
  return withNamedDatabase(await cloneDatabase(), work)
}

/** As withDatabase, but nothing has been migrated in it. */
export async function withEmptyDatabase<T>(work: (database: TestDatabase) => Promise<T>): Promise<T> {
  return withNamedDatabase(await emptyDatabase(), work)
}

async function withNamedDatabase<T>(name: string, work: (database: TestDatabase) => Promise<T>): Promise<T> {
  const url = databaseUrl(await clusterUrl(), name)
  const sql = connect(url, 10)
  try {
    const result = await work({ sql, url })
    await requireNoTraceInDatabase(sql)
    return result
  } finally {
    await sql.end({ timeout: 5 })
    await dropDatabase(name)
  }
}

function connect(url: string, max: number): Sql {
  return postgres(url, { max, onnotice: () => {} })
}
