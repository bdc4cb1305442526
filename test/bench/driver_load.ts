import postgres from 'postgres'
import type { BenchDatabase } from './database.ts'
import type { Protocol } from './pgbench.ts'

/** Where there is no pgbench: sessions that each send one query after the other; queries a second. */
export async function driverThroughput(
  { url, sql, size }: BenchDatabase,
  protocol: Protocol,
  query: string,
  { clients, seconds }: { clients: number; seconds: number },
): Promise<number> {
  const [{ values }] = await sql<[{ values: string[] }]>`
    select array_agg(bench.cusip(i::bigint * 611953 % ${size.cusips})) as values
    from generate_series(1, 100000) i`
  const pool = postgres(url, { max: clients, prepare: protocol === 'prepared' })
  const text = query.replace(/;$/, '')
  let done = 0
  const end = performance.now() + seconds * 1000
  const session = async (number: number) => {
    for (let i = number; performance.now() < end; i += clients) {
      const value = values[i % values.length] ?? ''
      if (protocol === 'prepared') await pool.unsafe(text, [value], { prepare: true })
      else await pool.unsafe(text.replace('$1', `'${value}'`))
      done++
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, number) => session(number)))
  await pool.end()
  return done / seconds
}
