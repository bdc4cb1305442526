import type { Sql } from './connect.ts'
import { maxAgeOf } from './max_age.ts'

/** What became of values that were to be warmed: together all of them. */
export interface WarmingCounts {
  /** No CUSIP and no ISIN. */
  readonly invalid: number
  /** Known, and young enough. */
  readonly known: number
  /** Requested before, by whomever, or by a value of the same set. */
  readonly waiting: number
  readonly requested: number
}

/** Requests a fetch of what is not known, behind what people wait for; types are told from the values. */
export async function requestWarming(
  sql: Sql,
  values: readonly string[],
  maxAgeDays: number | null,
): Promise<WarmingCounts> {
  const maxAge = maxAgeOf(maxAgeDays)
  const [row] = await sql<Record<keyof WarmingCounts, string>[]>`
    select invalid, known, waiting, requested
    from figi_private.request_warming(null, ${values as string[]}::text[], ${maxAge}::interval)`
  const { invalid, known, waiting, requested } = row ?? {}
  return {
    invalid: Number(invalid),
    known: Number(known),
    waiting: Number(waiting),
    requested: Number(requested),
  }
}

/** Identifiers in the queue. */
export interface QueueSize {
  /** Waiting, or being fetched. */
  readonly waiting: number
  /** OpenFIGI answered with an error each time; whoever asks again after a minute tries anew. */
  readonly gaveUp: number
}

export async function queueSize(sql: Sql): Promise<QueueSize> {
  const [row] = await sql<{ waiting: string; gave_up: string }[]>`
    select waiting, gave_up from figi_private.queue_size()`
  return { waiting: Number(row?.waiting), gaveUp: Number(row?.gave_up) }
}
