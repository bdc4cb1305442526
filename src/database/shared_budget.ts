import { createHash } from 'node:crypto'
import DataLoader from 'dataloader'
import type { RateLimit } from '../config.ts'
import { monotonicNow } from '../monotonic.ts'
import type { Budget } from '../openfigi/budget.ts'
import { sleepFor } from '../waiting.ts'
import { answered } from './answered.ts'
import type { Sql } from './connect.ts'
import { queryDeadlineMs } from './deadline.ts'

/**
 * Who is later than this gives the slot up: sent now, the request might fall into a window that is full. The margin that
 * a limit has over OpenFIGI's is the seventh part of its window (7 s for 6 s); half of it may be lost on the way.
 */
const latestMs = (windowMs: number) => Math.min(500, windowMs / 14)

/** Where everything is late, being late together is as good as being on time. */
const slotsGivenUp = 3

/** Names the budget of a key at an address, without telling the key. */
export function budgetName(apiUrl: URL, apiKey: string | undefined): string {
  if (apiKey === undefined) return `anonymous@${apiUrl.host}`
  const fingerprint = createHash('sha256').update(`pgfigi\n${apiKey}`).digest('hex').slice(0, 16)
  return `key-${fingerprint}@${apiUrl.host}`
}

/** Of so many the shortest tells how far the database is. */
const latestRoundTrips = 20

export interface SharedBudget extends Budget {
  /** How many requests could go at once, just now. */
  openSlots(): Promise<number>
}

export interface SharedBudgetOptions {
  readonly name: string
  readonly limit: RateLimit
  readonly queryTimeoutMs?: number | undefined
  /** Told for each slot that was not to be had at once, how long it took. */
  readonly onWait?: ((milliseconds: number) => void) | undefined
}

interface Slot {
  readonly waitMs: number
  readonly lateMs: number
}

/** The budget that all processes on one database share, kept in figi_private.api_budgets by the database's clock. */
export function createSharedBudget(sql: Sql, options: SharedBudgetOptions): SharedBudget {
  const { name, limit, queryTimeoutMs = queryDeadlineMs } = options
  const window = `${limit.windowMs} milliseconds`
  const ask = <T>(query: PromiseLike<T>) => answered(sql, queryTimeoutMs, query)

  /** How long the latest questions took that ask nothing but the clock. */
  const roundTrips: number[] = []
  const askQuickly = async <T>(query: PromiseLike<T>) => {
    const askedAt = monotonicNow()
    const answer = await ask(query)
    if (roundTrips.push(monotonicNow() - askedAt) > latestRoundTrips) roundTrips.shift()
    return answer
  }
  const roundTripMs = () => Math.min(...roundTrips)

  // The first one has to connect.
  let usualMs = Number.POSITIVE_INFINITY

  /**
   * Slots that are asked for together are reserved in one query. Where that takes longer than the last one did, by so much is
   * what it tells late: the process was stopped, or the machine slept.
   */
  const slots = new DataLoader<true, Slot>(
    async (asked) => {
      const askedAt = monotonicNow()
      const rows = await askQuickly(sql<{ ms: number }[]>`
        select (extract(epoch from figi_private.reserve_api_slot(${name}, ${limit.capacity}, ${window}::interval)) * 1000.0)::float8 as ms
        from pg_catalog.generate_series(1, ${asked.length})`)
      const tookMs = monotonicNow() - askedAt
      const lateMs = Math.max(tookMs - usualMs, 0)
      usualMs = tookMs
      return rows.map((row) => ({ waitMs: row.ms, lateMs }))
    },
    { cache: false, batchScheduleFn: (send) => setImmediate(send) },
  )

  /** For how long nobody may send; who wakes together asks together. */
  const blocks = new DataLoader<true, number>(
    async (asked) => {
      const [blocked] = await askQuickly(sql<{ ms: number | null }[]>`
        select (extract(epoch from figi_private.api_blocked_for(${name})) * 1000.0)::float8 as ms`)
      return asked.map(() => blocked?.ms ?? 0)
    },
    { cache: false, batchScheduleFn: (send) => setImmediate(send) },
  )

  /**
   * Reserves the next slot and waits for it; 'passed' where the request cannot go then after all. On a slow connection the
   * database read its clock long before its answer is here: half a round trip, of the shortest, since the first question
   * on a connection takes two.
   */
  async function waitForSlot(
    signal: AbortSignal | undefined,
    mayBeLate: boolean,
  ): Promise<'at once' | 'waited' | 'passed'> {
    while (roundTrips.length < 2) await blocks.load(true)
    const { waitMs, lateMs } = await slots.load(true)
    const dueAt = monotonicNow() - roundTripMs() / 2 + waitMs
    const isInTime = () => mayBeLate || monotonicNow() + lateMs - dueAt <= latestMs(limit.windowMs)
    if (waitMs <= 0) return isInTime() ? 'at once' : 'passed'
    // So early that the answer about blocks is there when the slot is.
    await sleepUntil(dueAt - roundTripMs(), signal)
    if ((await blocks.load(true)) > 0) return 'passed'
    await sleepUntil(dueAt, signal)
    return isInTime() ? 'waited' : 'passed'
  }

  async function acquire(signal?: AbortSignal): Promise<void> {
    const startedAt = monotonicNow()
    for (let tries = 0; ; tries += 1) {
      signal?.throwIfAborted()
      const slot = await waitForSlot(signal, tries >= slotsGivenUp)
      if (slot === 'passed') continue
      if (slot === 'waited' || tries > 0) options.onWait?.(monotonicNow() - startedAt)
      return
    }
  }

  return {
    acquire,
    async openSlots() {
      const [open] = await ask(sql<{ slots: number }[]>`
        select figi_private.open_api_slots(${name}, ${limit.capacity}, ${window}::interval) as slots`)
      return open?.slots ?? 0
    },
    async block(milliseconds) {
      await ask(
        sql`select figi_private.block_api_budget(${name}, ${milliseconds}::float8 * interval '1 millisecond')`,
      )
    },
    async exhausted(milliseconds) {
      await ask(sql`
        select figi_private.exhaust_api_budget(
          ${name}, ${limit.capacity}, ${window}::interval, ${milliseconds}::float8 * interval '1 millisecond'
        )`)
    },
  }
}

async function sleepUntil(time: number, signal: AbortSignal | undefined): Promise<void> {
  await sleepFor(Math.max(time - monotonicNow(), 0), signal)
}
