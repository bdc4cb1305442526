import type { Sql } from 'postgres'

/** When a server crashes, the connections of a pool close one after the other within so many milliseconds. */
const closingMs = 100

/** Whether connections of a pool are being closed. */
export class Closing {
  #until = Number.NEGATIVE_INFINITY

  /** Another one is about to close, or has closed. */
  begins(): void {
    this.#until = performance.now() + closingMs
  }

  get isUnderWay(): boolean {
    return performance.now() < this.#until
  }
}

/**
 * A pool of postgres.js that outlives the loss of several connections at once. The driver gathers what it writes until the end of a
 * turn of the event loop. Where a connection closes in between, as when whoever is told of the first loss asks again at
 * once, on one that is just about to be closed, it forgets to write what it has gathered, for good: the next
 * connection in that place does not come about until connect_timeout, several times in a row. So as long as connections are being
 * closed, queries are handed to the driver at the beginning of a turn, when what it gathers is written before anything closes.
 */
export function outliveClosing(pool: Sql, closing: Closing): Sql {
  return new Proxy(pool, {
    apply(target, self, pieces) {
      const query = Reflect.apply(target, self, pieces)
      if (closing.isUnderWay) putOff(query)
      return query
    },
    get(target, name, receiver) {
      if (name !== 'begin' || !closing.isUnderWay) return Reflect.get(target, name, receiver)
      return async (...given: Parameters<Sql['begin']>) => {
        await nextTurn()
        return target.begin(...given)
      }
    },
  })
}

/** Of a query of the driver; what else its tag gives (identifiers, values) has no such thing. */
interface Handled {
  handler?: (query: unknown) => void
}

function putOff(query: Handled): void {
  const { handler } = query
  if (typeof handler === 'function') query.handler = (given) => void nextTurn().then(() => handler(given))
}

/** Timers come first in a turn. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0))
}
