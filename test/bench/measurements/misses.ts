import type { TransactionSql } from 'postgres'
import type { BenchDatabase } from '../database.ts'
import type { Comparison, Measurement } from '../harness.ts'
import { sessionMiB } from '../machine.ts'
import { undone } from '../rollback.ts'
import { wallTime } from '../statement.ts'

const memoryMiB = 200

/** Many distinct misses in one statement: as long as in ten, in bounded memory, and none asked for twice. */
export const misses: Measurement = {
  name: 'misses',
  comparisons: async (database) => manyMisses(database, 100_000),
}

/** The same with a million, which takes minutes. */
export const millionMisses: Measurement = {
  name: 'million_misses',
  isDefault: false,
  comparisons: async (database) => manyMisses(database, 1_000_000),
}

/** In transactions that are undone: what waits is there for the second look only, which counts it. */
function manyMisses({ sql }: BenchDatabase, count: number): Comparison[] {
  const each = count / 10
  let first = Number.NaN
  let again = Number.NaN
  let peak = Number.NaN
  const inPortions = () =>
    undone(sql, (transaction) =>
      wallTime(async () => {
        for (let from = 1; from <= count; from += each) await missed(transaction, from, from + each - 1)
      }),
    )
  const atOnce = () =>
    undone(sql, async (transaction) => {
      const [{ pid }] = await transaction<[{ pid: number }]>`select pg_backend_pid() as pid`
      const timer = setInterval(async () => {
        peak = Math.max(Number.isNaN(peak) ? 0 : peak, (await sessionMiB(pid)) ?? Number.NaN)
      }, 100)
      try {
        first = await wallTime(() => missed(transaction, 1, count))
        await expectRequests(transaction, count)
        again = await wallTime(() => missed(transaction, 1, count))
        await expectRequests(transaction, count)
      } finally {
        clearInterval(timer)
      }
      return first
    })
  const restore = () => sql`truncate figi_private.fetch_requests`
  return [
    {
      title: `${count} distinct misses in one statement against ten statements of ${each}`,
      kind: 'time',
      target: 1.2,
      warmUp: false,
      mostRounds: 1,
      baseline: inPortions,
      ours: atOnce,
    },
    {
      title: `the same ${count} while they wait (no new request) against the first time`,
      kind: 'time',
      target: 1,
      warmUp: false,
      mostRounds: 1,
      baseline: async () => first,
      ours: async () => again,
    },
    {
      title: `memory of the session that missed ${count} at once, of ${memoryMiB} MiB`,
      kind: 'memory',
      target: 1,
      warmUp: false,
      mostRounds: 1,
      baseline: async () => memoryMiB,
      ours: async () => peak,
      restore,
    },
  ]
}

/** Looks up unknown identifiers of these numbers in one statement. */
async function missed(sql: TransactionSql, from: number, to: number): Promise<void> {
  const [{ asked }] = await sql<[{ asked: number }]>`
    select count(*) filter (where r.fetch_requested)::int as asked
    from resolve_mappings('CUSIP', array(select bench.unknown_cusip(i) from generate_series(${from}::int, ${to}::int) i)) r`
  if (asked !== to - from + 1) throw new Error(`of ${to - from + 1} misses ${asked} are to be fetched`)
}

/** A wrong number of requests is no measurement. */
async function expectRequests(sql: TransactionSql, wanted: number): Promise<void> {
  const [{ requests }] = await sql<[{ requests: number }]>`
    select count(*)::int as requests from figi_private.fetch_requests`
  if (requests !== wanted) throw new Error(`${wanted} distinct misses made ${requests} requests`)
}
