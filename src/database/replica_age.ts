import { setTimeout as sleep } from 'node:timers/promises'
import { DatabaseError } from '../errors/database_error.ts'
import { monotonicNow } from '../monotonic.ts'

/** What a replica says of itself. */
export interface ReplicaState {
  /** False once it has been promoted: then it is a database of its own. */
  readonly isStandby: boolean
  /** How far it has replayed the primary's log; null where it follows none. */
  readonly replayed: string | null
}

export interface ReplicaAgeOptions {
  /** How old answers may be. */
  readonly boundMs: number
  /** Where the primary's log ends now. Rejects where the primary cannot say. */
  readonly primaryLsn: () => Promise<string>
  readonly replicaState: () => Promise<ReplicaState>
  /** On a monotonic clock, in milliseconds. */
  readonly now?: () => number
}

/** Where the primary's log ended at a moment: who has replayed that has all that was committed before. */
interface Mark {
  readonly at: number
  readonly lsn: bigint
}

const longestPauseMs = 1_000

/**
 * How old answers of a replica may be at most. The primary is asked where its log ends, once a second while anybody wants to
 * know, and the replica how far it has come. Clocks of servers play no part, an idle primary makes nobody old, and a replica that
 * is cut off has no say in it: what cannot be found out counts as too old once the bound has passed.
 */
export class ReplicaAge {
  readonly #options: ReplicaAgeOptions
  readonly #now: () => number
  #marks: Mark[] = []
  /** All that was committed on the primary before is in the replica's answers. */
  #completeUntil = Number.NEGATIVE_INFINITY
  #isStandby = true
  #checkedAt = Number.NEGATIVE_INFINITY
  #check: Promise<void> | null = null

  constructor(options: ReplicaAgeOptions) {
    this.#options = options
    this.#now = options.now ?? monotonicNow
  }

  /** Why an answer that came just now would not do; null where it does. */
  get objection(): string | null {
    if (!this.#isStandby) return 'it is no standby: it was promoted, perhaps'
    const isYoung = this.#now() - this.#completeUntil <= this.#options.boundMs
    return isYoung ? null : `it is more than ${this.#options.boundMs / 1000} s behind, or nobody can say`
  }

  /** Throws where an answer that came just now may be older than it may. */
  requireYoung(): void {
    const { objection } = this
    if (objection !== null) throw new DatabaseError(`The replica is not used: ${objection}`, undefined)
  }

  /** Finds out what it has to before a lookup; waits only where nothing good enough is known. Never rejects. */
  async refresh(): Promise<void> {
    if (!this.#check && this.#now() - this.#checkedAt >= this.#pauseMs) {
      this.#checkedAt = this.#now()
      this.#check = this.#look()
        .catch(() => {}) // nothing new is known, and what is known grows old
        .finally(() => {
          this.#check = null
        })
    }
    if (this.objection !== null) await this.#check
  }

  /** As refresh, again and again for as long as a replica of the age allowed takes to follow. */
  async settle(): Promise<void> {
    const looks = 4
    for (let look = 0; look <= looks && this.objection !== null; look += 1) {
      if (look > 0) await sleep(this.#pauseMs, undefined, { ref: false })
      await this.refresh()
    }
  }

  /** The server has said so by itself. */
  isPromoted(): void {
    this.#isStandby = false
  }

  get #pauseMs(): number {
    return Math.min(longestPauseMs, this.#options.boundMs / 4)
  }

  async #look(): Promise<void> {
    const { boundMs, primaryLsn, replicaState } = this.#options
    const at = this.#now()
    const [primary, replica] = await Promise.allSettled([primaryLsn().then(numberOf), replicaState()])
    if (primary.status === 'fulfilled') {
      const last = this.#marks.at(-1)
      // Behind itself: it is another primary now.
      if (last && primary.value < last.lsn) this.#marks = []
      this.#marks.push({ at, lsn: primary.value })
    }
    if (replica.status === 'rejected') return
    const { isStandby, replayed } = replica.value
    this.#isStandby = isStandby
    const position = replayed === null ? -1n : numberOf(replayed)
    for (let mark = this.#marks[0]; mark && mark.lsn <= position; mark = this.#marks[0]) {
      this.#completeUntil = mark.at
      this.#marks.shift()
    }
    this.#marks = this.#marks.filter((mark) => at - mark.at <= boundMs)
  }
}

/** Bytes of a page of the log, and of the two kinds of header. */
const page = 8192n
const headers = new Set([24n, 40n])

/** Of a log that ends with a page, the primary names the place behind the next page's header, and a replica that before it. */
function numberOf(lsn: string): bigint {
  const [high = '', low = ''] = lsn.split('/')
  const number = (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`)
  return headers.has(number % page) ? number - (number % page) : number
}
