import { DeadlineError } from '../errors/deadline_error.ts'

/** The driver has none of its own: on a black-holed connection a query stays pending for ever. */
export const queryDeadlineMs = 10_000

/** Settles as the query does, or rejects with a DeadlineError after so many milliseconds. The query itself goes on. */
export async function within<T>(milliseconds: number, what: string, query: PromiseLike<T>): Promise<T> {
  const { promise: expired, reject } = Promise.withResolvers<never>()
  const isOver = () => reject(new DeadlineError(what, milliseconds))
  // After a look at the sockets: a process that has stood still finds its timers due, and the answer there.
  const timer = setTimeout(() => setImmediate(isOver), milliseconds)
  try {
    return await Promise.race([query, expired])
  } finally {
    clearTimeout(timer)
  }
}
