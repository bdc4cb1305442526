import type { Sql } from '../database/connect.ts'
import { processEnded, recordCounts } from '../database/counting.ts'
import type { Logger } from '../log.ts'
import type { CounterName } from './counters.ts'
import { Flusher } from './flusher.ts'
import { type ProcessIdentity, type ProcessKind, processIdentity } from './process_identity.ts'
import { type Counting, type LabelsOf, Tally } from './tally.ts'

export interface ProcessCountingOptions {
  readonly kind: ProcessKind
  /** Runs a query on the database; rejects where it is away. */
  readonly query: <T>(query: (sql: Sql) => Promise<T>) => Promise<T>
  readonly logger: Logger
  /** Whether to say every few seconds that the process lives, also when there is nothing to count. */
  readonly isHeartbeat?: boolean | undefined
}

/** What one process counts, for one database: in memory, and every few seconds written there. */
export class ProcessCounting implements Counting, AsyncDisposable {
  readonly #tally = new Tally()
  readonly #flusher: Flusher
  readonly #identity: () => Promise<ProcessIdentity>
  /** Under which names the process locks jobs; the database hears of them with the next flush. */
  workerIds: readonly string[] = []

  constructor(options: ProcessCountingOptions) {
    const { kind, query, logger, isHeartbeat } = options
    let known: ReturnType<typeof processIdentity> | undefined
    this.#identity = async () => {
      known ??= processIdentity(kind)
      return { ...(await known), worker_ids: this.workerIds }
    }
    this.#flusher = new Flusher({
      tally: this.#tally,
      write: async (flush, counts) => {
        const identity = await this.#identity()
        return query((sql) => recordCounts(sql, identity, flush, counts))
      },
      end: async () => {
        const identity = await this.#identity()
        return query((sql) => processEnded(sql, identity))
      },
      isHeartbeat,
      logger,
    })
  }

  add<Name extends CounterName>(counter: Name, labels: LabelsOf<Name>, count?: number): void {
    this.#tally.add(counter, labels, count)
  }

  /** Writes what is counted by now, as far as that goes; never rejects. */
  async flush(): Promise<void> {
    await this.#flusher.flush()
  }

  /** Writes what is left and takes the process's row away. What is counted afterwards is lost. */
  close(): Promise<void> {
    return this.#flusher.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
