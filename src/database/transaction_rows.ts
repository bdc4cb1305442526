import type { TransactionSql } from 'postgres'
import type { Sql } from './connect.ts'
import { transaction } from './transaction.ts'

const stopped = new Error('Nobody takes any more')

/**
 * What `pieces` gives within a transaction, as it is taken, piece by piece; whoever stops taking ends the transaction. Rejects where the
 * connection is lost, also while nobody asks. (A cursor of the driver would then say that it has reached its end.)
 */
export async function* transactionRows<Piece>(
  pool: Sql,
  mode: string,
  pieces: (sql: TransactionSql) => AsyncIterable<Piece>,
): AsyncGenerator<Piece> {
  let given = Promise.withResolvers<{ readonly piece: Piece } | null>()
  let taken = Promise.withResolvers<void>()
  let isStopped = false
  let settle: (() => void) | undefined
  const ended = transaction(pool, mode, async (sql) => {
    for await (const piece of pieces(sql)) {
      given.resolve({ piece })
      await taken.promise
      if (isStopped) throw stopped
    }
  })
  const goOn = () => {
    const { resolve } = taken
    given = Promise.withResolvers()
    taken = Promise.withResolvers()
    given.promise.catch(() => {})
    settle?.()
    resolve()
  }
  const endsWith = (how: () => void) => {
    settle = how
    settle()
  }
  given.promise.catch(() => {})
  ended.then(
    () => endsWith(() => given.resolve(null)),
    (error) => endsWith(() => given.reject(error)),
  )
  try {
    for (;;) {
      const next = await given.promise
      if (next === null) return
      yield next.piece
      goOn()
    }
  } finally {
    isStopped = true
    goOn()
    await ended.catch(() => {})
  }
}
