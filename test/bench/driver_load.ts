import postgres from 'postgres'
import type { BenchDatabase } from './database.ts'
import type { Lookups } from './lookups.ts'

/** Where there is no pgbench: sessions that each send one query after the other; queries a second. */
export async function driverThroughput(
  { url, sql }: BenchDatabase,
  { protocol, query, clients, seconds }: Lookups,
  { first, count }: { first: number; count: number },
): Promise<number> {
  const [{ values, days }] = await sql<[{ values: string[]; days: string[] }]>`
    select
      array_agg(bench.cusip(${first} + i::bigint * 611953 % ${count})) as values,
      array_agg(to_char(current_date - 31 - i % 850, 'YYYYMMDD')) as days
    from generate_series(1, 100000) i`
  const pool = postgres(url, { max: clients, prepare: protocol === 'prepared' })
  let done = 0
  const end = performance.now() + seconds * 1000
  const session = async (number: number) => {
    for (let i = number; performance.now() < end; i += clients) {
      const value = values[i % values.length] ?? ''
      const day = days[i % days.length] ?? ''
      if (protocol === 'prepared') {
        const text = query.replaceAll(':cusip', '$1').replaceAll(':day', '$2')
        await pool.unsafe(text, text.includes('$2') ? [value, day] : [value], { prepare: true })
      } else await pool.unsafe(query.replaceAll(':cusip', `'${value}'`).replaceAll(':day', `'${day}'`))
      done++
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, number) => session(number)))
  await pool.end()
  return done / seconds
}
