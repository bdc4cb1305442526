import type { Sql, TransactionSql } from 'postgres'

const rollback = Symbol('rollback')

/** What the work measured in a transaction that is rolled back. */
export async function undone(
  sql: Sql,
  work: (transaction: TransactionSql) => Promise<number>,
): Promise<number> {
  let measured = Number.NaN
  await sql
    .begin(async (transaction) => {
      measured = await work(transaction)
      throw rollback
    })
    .catch((error) => {
      if (error !== rollback) throw error
    })
  return measured
}
