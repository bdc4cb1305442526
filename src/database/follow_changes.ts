import { changesSince, type MappingChange } from './changes.ts'
import type { Sql } from './connect.ts'

/** A row may be written long before its transaction commits: so far back it is looked for. */
const longestTransactionMs = 10 * 60_000

/**
 * What changed since an instant, then what changes, as it is committed; never the same twice. Rejects with the signal's
 * reason when it aborts, and where the database goes away in the middle of a query. Takes three connections.
 */
export async function* followChanges(
  sql: Sql,
  since: Date,
  signal: AbortSignal,
): AsyncGenerator<MappingChange> {
  const notices = new Notices(since)
  signal.addEventListener('abort', () => notices.wake(), { once: true })
  await sql.listen(
    'mapping_changes',
    (payload) => notices.add(payload),
    () => notices.wake(),
  )
  const [open] = await sql<[{ since: Date }]>`
    select least(pg_catalog.now(), pg_catalog.min(a.xact_start)) as since
    from pg_catalog.pg_stat_activity a
    where a.datname = pg_catalog.current_database()`
  const told = new Map<string, number>()
  let recordedAt: Date | null = null
  for (;;) {
    const from = await notices.next()
    signal.throwIfAborted()
    // What was committed before we listened is not new: it was recorded before any transaction that was then open.
    const recordedSince: Date | null =
      recordedAt && new Date(Math.max(recordedAt.getTime() - longestTransactionMs, open.since.getTime()))
    for await (const change of changesSince(sql, from, recordedSince)) {
      if (!recordedAt || change.recorded_at > recordedAt) recordedAt = change.recorded_at
      const key = keyOf(change)
      if (told.has(key)) continue
      told.set(key, change.recorded_at.getTime())
      yield change
    }
    recordedAt ??= since
    forget(told, recordedAt.getTime() - longestTransactionMs)
  }
}

function keyOf({ identifier_type, identifier_value, changed_at, kind }: MappingChange): string {
  return `${identifier_type} ${identifier_value} ${changed_at.toISOString()} ${kind}`
}

function forget(told: Map<string, number>, before: number): void {
  for (const [key, recordedAt] of told) if (recordedAt < before) told.delete(key)
}

/** What was notified and not looked at yet: the earliest instant to look from. */
class Notices {
  readonly #begin: Date
  #from: number | null = null
  #woken = Promise.withResolvers<void>()

  constructor(begin: Date) {
    this.#begin = begin
  }

  /** The payload says from when on something changed; of one that does not, everything is looked at. */
  add(payload: string): void {
    const since = sinceOf(payload)
    this.wake(since ?? this.#begin.getTime())
  }

  wake(from = this.#begin.getTime()): void {
    this.#from = Math.min(from, this.#from ?? from)
    this.#woken.resolve()
  }

  async next(): Promise<Date> {
    await this.#woken.promise
    const from = new Date(this.#from ?? this.#begin)
    this.#from = null
    this.#woken = Promise.withResolvers()
    return from
  }
}

function sinceOf(payload: string): number | null {
  try {
    const { since } = JSON.parse(payload) as { since?: unknown }
    const time = typeof since === 'string' ? Date.parse(since) : Number.NaN
    return Number.isNaN(time) ? null : time
  } catch {
    return null
  }
}
