import { setTimeout as sleep } from 'node:timers/promises'
import { DatabaseError } from '../errors/database_error.ts'
import { DeadlineError } from '../errors/deadline_error.ts'
import type { Logger } from '../log.ts'
import type { Sql } from './connect.ts'
import { within } from './deadline.ts'
import { explained, isAway } from './faults.ts'
import { openListening } from './notifications.ts'

export interface ChangeListenerOptions {
  /** The server itself: through a transaction pooler no notification arrives. */
  readonly url: string
  readonly logger: Logger
  /** Something changed, or may have, or nothing can be heard any more. */
  readonly onChange: () => void
  /** From one sign of life to the next. */
  readonly beatMs?: number | undefined
}

/** What the database said at the last sign of life. */
interface Beat {
  /** On the monotonic clock, before the question was sent. */
  readonly sentAt: number
  readonly databaseTime: number
  readonly maxAgeMs: number
}

const longestAnswerMs = 2_000
const pauseMs = 1_000

/**
 * Listens to mapping_changes on a connection of its own. It counts as listening only once a notification has come through
 * from another connection, and as long as the connection answers every second: so one that is silently dead is found out.
 */
export class ChangeListener {
  readonly #options: ChangeListenerOptions
  readonly #stop = new AbortController()
  readonly #ended: Promise<void>
  #beat: Beat | null = null

  constructor(options: ChangeListenerOptions) {
    this.#options = options
    this.#ended = this.#run()
  }

  /** How long the silence may last before nothing that was heard counts. */
  get #patienceMs(): number {
    return (this.#options.beatMs ?? pauseMs) + longestAnswerMs
  }

  /** The database's clock, never behind it, and the age that it allows; null while it is not heard. */
  now(): { readonly time: number; readonly maxAgeMs: number } | null {
    if (!this.#beat) return null
    const silence = performance.now() - this.#beat.sentAt
    if (silence > this.#patienceMs) return null
    return { time: this.#beat.databaseTime + silence, maxAgeMs: this.#beat.maxAgeMs }
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#ended
  }

  async #run(): Promise<void> {
    const { logger } = this.#options
    let isTold = false
    while (!this.#stop.signal.aborted) {
      try {
        await this.#listen(() => {
          isTold = false
        })
      } catch (error) {
        if (this.#stop.signal.aborted) return
        if (error instanceof DatabaseError && !isAway(error)) {
          logger.warn({ reason: error.message }, 'Nothing is cached in the process')
          return
        }
        if (!isTold) {
          const reason = String((explained(error, 'DATABASE_DIRECT_URL') as Error).message)
          logger.warn({ reason }, 'Nothing is cached in the process until changes can be listened to again')
        }
        isTold = true
      }
      await sleep(pauseMs, undefined, { signal: this.#stop.signal, ref: false }).catch(() => {})
    }
  }

  async #listen(onBeat: () => void): Promise<void> {
    const lost = Promise.withResolvers<never>()
    lost.promise.catch(() => {})
    const isOver = () => lost.reject(new DeadlineError('The listening connection', 0))
    this.#stop.signal.addEventListener('abort', isOver, { once: true })
    const { sql, hears } = openListening(this.#options.url, {
      onNotice: this.#options.onChange,
      onClose: isOver,
    })
    try {
      await this.#answer(sql`listen mapping_changes`, lost.promise)
      if (!(await hears())) throw throughPooler()
      for (;;) {
        this.#beat = await this.#ask(sql, lost.promise)
        onBeat()
        const pause = sleep(this.#options.beatMs ?? pauseMs, undefined, { ref: false })
        await Promise.race([pause, lost.promise])
      }
    } finally {
      this.#beat = null
      this.#options.onChange()
      this.#stop.signal.removeEventListener('abort', isOver)
      await sql.end({ timeout: 0 }).catch(() => {})
    }
  }

  async #ask(sql: Sql, lost: Promise<never>): Promise<Beat> {
    // Where ages are compared a year has 360 days; here it has 365.25.
    const sentAt = performance.now()
    const [row] = await this.#answer(
      sql<[{ now: Date; max_age: number }]>`
        select
          pg_catalog.clock_timestamp() as now,
          (1000.0 * case
            when pg_catalog.isfinite(a) then extract(epoch from a) - extract(year from a) * 5.25 * 86400.0
            else extract(epoch from a)
          end)::float8 as max_age
        from public.cache_max_age() a`,
      lost,
    )
    // The driver cuts the microseconds off; a millisecond more keeps the clock from being behind.
    return { sentAt, databaseTime: row.now.getTime() + 1, maxAgeMs: row.max_age }
  }

  #answer<T>(query: PromiseLike<T>, lost: Promise<never>): Promise<T> {
    return Promise.race([within(longestAnswerMs, 'The listening connection', query), lost])
  }
}

function throughPooler(): DatabaseError {
  return new DatabaseError(
    'notifications do not arrive: is this a transaction pooler such as PgBouncer? Name the server itself in DATABASE_DIRECT_URL (dbDirectUrl)',
    undefined,
  )
}
