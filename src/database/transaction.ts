import type { TransactionSql } from 'postgres'
import type { Sql } from './connect.ts'
import { hasEndedConnection } from './faults.ts'

/**
 * Does work in a transaction: `mode` is what stands after BEGIN, such as `read only`. Where the connection is lost, it rejects
 * and nothing more is sent: the driver's own rollback or commit, or a query that comes late, on a connection that is gone
 * would end the process, and on one that is there again would be outside the transaction.
 */
export async function transaction<T>(
  pool: Sql,
  mode: string,
  work: (sql: TransactionSql) => Promise<T>,
): Promise<T> {
  const { promise: lost, reject: lose } = Promise.withResolvers<never>()
  let reason: unknown
  const begun = pool.begin(mode, async (sql) => {
    const guarded = new Proxy(sql, {
      apply(query, self, pieces) {
        if (reason !== undefined) throw reason
        return Reflect.apply(query, self, pieces)
      },
      get(query, name, self) {
        if (reason !== undefined) throw reason
        return Reflect.get(query, name, self)
      },
    })
    try {
      const result = await work(guarded)
      if (reason === undefined) return { result }
    } catch (error) {
      if (reason === undefined && !hasEndedConnection(error)) throw error
      lose(error)
    }
    return new Promise<never>(() => {}) // the driver rejects by itself when the connection closes
  })
  begun.catch((error) => {
    reason = error
  })
  return (await Promise.race([begun, lost])).result
}
