import postgres from 'postgres'
import { OpenFIGIClient } from '../../../src/index.ts'
import type { Measurement } from '../harness.ts'
import { wallTime } from '../statement.ts'

const lookups = 10_000
const connections = 10

/** 10,000 lookups at once through the client, which sends them together, against one query each on a pool as large. */
export const client: Measurement = {
  name: 'client',
  async comparisons({ sql, url, size }) {
    const [{ values }] = await sql<[{ values: string[] }]>`
      select array_agg(bench.cusip(i::bigint * 611953 % ${size.cusips})) as values
      from generate_series(1, ${lookups}) i`
    return [
      {
        title: `${lookups} concurrent client.resolve against a query each on ${connections} connections`,
        kind: 'speed',
        target: 3,
        async baseline() {
          const pool = postgres(url, { max: connections })
          const query = (value: string) => pool`
            select m.*
            from security_mappings m
            where m.identifier_type = 'CUSIP' and m.identifier_value = ${value} and m.end_date is null`
          await Promise.all(values.map(query)) // opens the connections
          const milliseconds = await wallTime(() => Promise.all(values.map(query)))
          await pool.end()
          return milliseconds
        },
        async ours() {
          await using openfigi = new OpenFIGIClient({ dbUrl: url, maxConnections: connections })
          const resolve = (value: string) => openfigi.resolve({ type: 'CUSIP', value })
          await Promise.all(values.map(resolve))
          return await wallTime(() => Promise.all(values.map(resolve)))
        },
      },
    ]
  },
}
