import type { Config } from './config.ts'
import type { Counting } from './counting/tally.ts'
import { answered } from './database/answered.ts'
import { connect, type Sql } from './database/connect.ts'
import { explained, isAway } from './database/faults.ts'
import { type OpenDatabase, openDatabase } from './database/open.ts'
import { recordAnswers } from './database/requests.ts'
import { DatabaseError } from './errors/database_error.ts'
import type { Logger } from './log.ts'
import { messageOf } from './message_of.ts'
import type { ApiOnly } from './pipeline/api_only.ts'
import { createFetcher } from './pipeline/create_fetcher.ts'
import type { Fetcher } from './pipeline/fetcher.ts'

export interface ClientDatabaseOptions {
  readonly logger: Logger
  readonly dispatcher?: import('undici').Dispatcher | undefined
  readonly counting: Counting
  /** Writes what is still to be written by others, while there are connections. */
  readonly beforeEnd: () => Promise<void> | undefined
}

interface Opened {
  readonly database: OpenDatabase
  readonly sql: Sql
  readonly fetcher: Fetcher
}

/** How long the client leaves a database alone that it could not reach. */
const pauseMs = 2_000

/** Tells a caller that the database is away, so that OpenFIGI alone has to answer. */
export class DatabaseAway extends Error {}

/**
 * The database as a client sees it: here or away. It is given up at the first query that it does not answer, with one
 * warning, tried again after a pause, and handed what was fetched meanwhile before anything else.
 */
export class ClientDatabase {
  readonly #config: Config
  readonly #options: ClientDatabaseOptions
  readonly #apiOnly: ApiOnly
  #opened: Promise<Opened> | null = null
  #isAway = false
  #isClosed = false
  #timer: NodeJS.Timeout | null = null

  constructor(config: Config, options: ClientDatabaseOptions, apiOnly: ApiOnly) {
    this.#config = config
    this.#options = options
    this.#apiOnly = apiOnly
  }

  /** Runs a query. Throws DatabaseAway where the database cannot be reached, and an explained error where it refuses. */
  async query<T>(query: (sql: Sql) => PromiseLike<T>): Promise<T> {
    if (this.#isAway) throw new DatabaseAway()
    try {
      const { sql } = await this.#open()
      return await this.#within(sql, query(sql))
    } catch (error) {
      throw this.#awayOr(error)
    }
  }

  /** The same for what makes no sense without a database: away is an error that says so. */
  require<T>(query: (sql: Sql) => PromiseLike<T>): Promise<T> {
    return this.#required(({ sql }) => this.#within(sql, query(sql)))
  }

  /**
   * Runs a query that nobody waits for. Rejects where the database is away, unless this is the last that it is asked, and
   * where the query fails, which says nothing about the database.
   */
  async besides<T>(query: (sql: Sql) => Promise<T>): Promise<T> {
    if (this.#isAway && !this.#isClosed) throw new DatabaseAway()
    return query((await this.#open()).sql)
  }

  /** The connections themselves, for what takes longer than a query may. Away is an error that says so. */
  connections(): Promise<Sql> {
    return this.#required(({ sql }) => sql)
  }

  /** Its address, which the embedded one has once it is up. */
  async url(): Promise<string> {
    return (await this.#open()).database.url
  }

  /** The fetcher; throws DatabaseAway as query does. */
  async fetcher(): Promise<Fetcher> {
    if (this.#isAway) throw new DatabaseAway()
    try {
      return (await this.#open()).fetcher
    } catch (error) {
      throw this.#awayOr(error)
    }
  }

  /** Fetches until nothing is left to claim. Away is an error that says so. */
  requireDrained(): Promise<void> {
    return this.#required(({ fetcher }) => fetcher.drain())
  }

  async #required<T>(work: (opened: Opened) => T | PromiseLike<T>): Promise<T> {
    try {
      return await work(await this.#open())
    } catch (error) {
      throw explained(error)
    }
  }

  /** What an error of the database means: that it is away, from now on, or something that a person has to mend. */
  #awayOr(error: unknown): unknown {
    if (!isAway(error)) return explained(error)
    this.#leave(error)
    return new DatabaseAway()
  }

  /** For errors that come out of the fetcher. */
  awayOr(error: unknown): unknown {
    return isAway(error) ? this.#awayOr(error) : error
  }

  /** Writes what is still to be written, ends what is under way, closes the connections. */
  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#timer) clearTimeout(this.#timer)
    const opened = await this.#opened?.catch(() => null)
    await opened?.fetcher.close()
    const isHere = this.#apiOnly.keptCount === 0 || (await this.#flushAtTheEnd())
    if (isHere) await this.#options.beforeEnd()
    await (await this.#opened?.catch(() => null))?.sql.end({ timeout: 5 })
    await (await this.#opened?.catch(() => null))?.database.release()
  }

  #open() {
    this.#opened ??= this.#connect().catch((error) => {
      this.#opened = null
      throw error
    })
    return this.#opened
  }

  async #connect() {
    const { logger, dispatcher, counting } = this.#options
    const { client } = this.#config
    const { queryTimeoutMs } = client
    const database = await openDatabase(this.#config)
    const sql = connect(database.url, { ...client, max: client.maxConnections })
    const onUnrecorded: ApiOnly['keep'] = (answers, askedAt) => {
      this.#apiOnly.keep(answers, askedAt)
      this.#leave(new DatabaseError('answers could not be written', undefined))
    }
    const parts = { sql, logger, counting, dispatcher, queryTimeoutMs, onUnrecorded }
    const fetcher = createFetcher(this.#config, parts)
    return { database, sql, fetcher }
  }

  #leave(error: unknown): void {
    if (this.#isClosed) return
    if (!this.#isAway) {
      this.#options.logger.warn(
        { reason: messageOf(error) },
        'The database is away: lookups ask OpenFIGI directly, and what they fetch is written when it is back',
      )
    }
    this.#isAway = true
    this.#tryLater()
  }

  #tryLater(): void {
    if (this.#isClosed) return
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#tryToReturn(), pauseMs).unref()
  }

  async #tryToReturn(): Promise<void> {
    try {
      const { sql } = await this.#open()
      await this.#within(sql, sql`select 1`)
      const written = await this.#flush(sql)
      if (this.#isAway) this.#options.logger.info({ written }, 'The database is back')
      this.#isAway = false
      // What OpenFIGI was asked for until now comes after it.
      if (this.#apiOnly.isFetching || this.#apiOnly.keptCount > 0) this.#tryLater()
    } catch (error) {
      if (!isAway(error))
        this.#options.logger.error(
          { reason: (explained(error) as Error).message },
          'The database is back but refuses',
        )
      this.#leave(error)
    }
  }

  #flush(sql: Sql): Promise<number> {
    return this.#apiOnly.flush((answers, ageMs) => this.#within(sql, recordAnswers(sql, answers, ageMs)))
  }

  #within<T>(sql: Sql, query: PromiseLike<T>): Promise<T> {
    return answered(sql, this.#config.client.queryTimeoutMs, query)
  }

  async #flushAtTheEnd(): Promise<boolean> {
    try {
      await this.#flush((await this.#open()).sql)
      return true
    } catch (error) {
      this.#options.logger.error(
        { lost: this.#apiOnly.keptCount, reason: messageOf(error) },
        'The database is still away: what was fetched meanwhile is not written',
      )
      return false
    }
  }
}
