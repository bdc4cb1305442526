import type { Sql } from './connect.ts'

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
  const maxAge = maxAgeDays === null ? null : `${maxAgeDays * 86_400} seconds`
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

/** How many requests wait or are under way. */
export async function queueSize(sql: Sql): Promise<number> {
  const [row] = await sql<{ size: string }[]>`select figi_private.queue_size() as size`
  return Number(row?.size)
}
