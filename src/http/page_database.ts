import type { TransactionSql } from 'postgres'
import { connect, type Sql } from '../database/connect.ts'
import { within } from '../database/deadline.ts'
import { codeOf, explained } from '../database/faults.ts'
import { ReplicaAge } from '../database/replica_age.ts'
import { endOfLog, replicaState } from '../database/replication.ts'
import { transaction } from '../database/transaction.ts'
import { DeadlineError } from '../errors/deadline_error.ts'
import type { Logger } from '../log.ts'

/** What functions of src/database take where they are called within a transaction of the page's. */
type Work<T> = (sql: Sql) => Promise<T>

export interface PageDatabaseOptions {
  readonly url: string
  /** A replica that is read instead, as long as it answers. */
  readonly readUrl: string | undefined
  /** Such a replica is not read where it misses what was committed longer ago; zero reads it however old. */
  readonly maxReplicaLagSeconds: number
  /** False behind a transaction pooler. */
  readonly prepare: boolean
  readonly logger: Logger
}

/** Most connections at once, to each database. */
const maxConnections = 3

/** Settings of the database, thresholds above all, count for new sessions: so none of the page's lasts long. */
const connectionLifetimeSeconds = 60

/** How long a statement may take, and wait for a lock: the page gives up before anybody feels it. */
const reading = { statementMs: 3000, lockMs: 250 }
const acting = { statementMs: 10_000, lockMs: 1000 }

/** The driver's own deadline comes after the server's. */
const marginMs = 1000

/** How long a replica that failed is left alone. */
const pauseMs = 5000

/** It took too long or waited for a lock: elsewhere it would, too. */
const ownLimits = new Set(['57014', '55P03'])

/**
 * The page's own few connections. Whatever reads is in a read-only transaction, and everything has short limits, which are set
 * within the transaction and so work behind a pooler: nobody waits for the page for longer than that.
 */
export class PageDatabase implements AsyncDisposable {
  readonly #options: PageDatabaseOptions
  readonly #pools = new Map<string, Sql>()
  readonly #replicaAge: ReplicaAge | null
  #replicaAsideUntil = 0

  constructor(options: PageDatabaseOptions) {
    this.#options = options
    const { readUrl, maxReplicaLagSeconds } = options
    const boundMs = maxReplicaLagSeconds * 1000
    this.#replicaAge =
      readUrl === undefined || boundMs === 0
        ? null
        : new ReplicaAge({
            boundMs,
            primaryLsn: () => this.readPrimary(endOfLog),
            replicaState: () => this.#within(readUrl, 'read only', reading, replicaState),
          })
  }

  /** Reads on the replica where there is one that answers, else on the primary. */
  async read<T>(work: Work<T>): Promise<T> {
    const { readUrl, logger } = this.#options
    if (readUrl === undefined || performance.now() < this.#replicaAsideUntil) return this.readPrimary(work)
    try {
      await this.#replicaAge?.refresh()
      this.#replicaAge?.requireYoung()
      const answer = await this.#within(readUrl, 'read only', reading, work)
      this.#replicaAge?.requireYoung()
      return answer
    } catch (error) {
      if (ownLimits.has(codeOf(error) ?? '')) throw error
      this.#replicaAsideUntil = performance.now() + pauseMs
      const { message } = explained(error, 'DATABASE_READ_URL') as Error
      logger.warn({ reason: message }, 'The replica cannot answer: the page reads from the primary')
      return this.readPrimary(work)
    }
  }

  readPrimary<T>(work: Work<T>): Promise<T> {
    return this.#within(this.#options.url, 'read only', reading, work)
  }

  /** On the primary, and it may write. */
  act<T>(work: Work<T>): Promise<T> {
    return this.#within(this.#options.url, 'read write', acting, work)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.end({ timeout: 1 })))
  }

  async #within<T>(
    url: string,
    mode: 'read only' | 'read write',
    { statementMs, lockMs }: typeof reading,
    work: Work<T>,
  ): Promise<T> {
    const pool = this.#pool(url)
    const answered = transaction(pool, mode, async (sql) => {
      const limits = sql`
        select
          pg_catalog.set_config('statement_timeout', ${String(statementMs)}, true),
          pg_catalog.set_config('lock_timeout', ${String(lockMs)}, true),
          pg_catalog.set_config('idle_in_transaction_session_timeout', ${String(statementMs)}, true)`.execute()
      // Sent at once and in this order, so that what follows need not wait for the answer.
      const [, result] = await Promise.all([limits, work(asSql(sql))])
      return result
    })
    try {
      return await within(statementMs + marginMs, 'The database', answered)
    } catch (error) {
      if (error instanceof DeadlineError) this.#renew(url, pool)
      throw error
    }
  }

  #pool(url: string): Sql {
    const known = this.#pools.get(url)
    if (known) return known
    const pool = connect(url, {
      max: maxConnections,
      connectionLifetimeSeconds,
      prepare: this.#options.prepare,
      applicationName: 'pgfigi page',
    })
    this.#pools.set(url, pool)
    return pool
  }

  /** Connections that nothing comes back on would stay taken for as long as the system waits: others take their place. */
  #renew(url: string, pool: Sql): void {
    if (this.#pools.get(url) === pool) this.#pools.delete(url)
    void pool.end({ timeout: 0 }).catch(() => {})
  }
}

/** The functions of src/database only query, which a transaction can as well as a pool. */
function asSql(sql: TransactionSql): Sql {
  return sql as unknown as Sql
}
