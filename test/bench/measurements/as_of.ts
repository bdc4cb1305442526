import type { Measurement } from '../harness.ts'
import { throughputOf } from '../lookups.ts'
import { explained, serverTime } from '../statement.ts'
import { ourQuery } from './single.ts'

const seconds = 2

/** Lookups in the past of identifiers with ten periods each, against lookups of what these are now. */
export const asOf: Measurement = {
  name: 'as_of',
  async comparisons(database) {
    const { sql } = database
    const milliseconds = (query: string) => async () =>
      1000 /
      (await throughputOf(database, {
        protocol: 'prepared',
        query,
        identifiers: 'changed',
        clients: 1,
        seconds,
      }))
    const past = () => sql`
      select h.id, h.quantity, r.ticker, r.status
      from bench.past_holdings h
      cross join lateral resolve_mapping('CUSIP', h.cusip, h.as_of) r`
    const current = () => sql`
      select h.id, h.quantity, r.ticker, r.status
      from bench.past_holdings h
      cross join lateral resolve_mapping('CUSIP', h.cusip) r`
    return [
      {
        title:
          'resolve_mapping with as_of, ten periods each, prepared, one session, against the same without as_of',
        kind: 'time',
        target: 1.3,
        baseline: milliseconds(ourQuery),
        ours: milliseconds(`select * from resolve_mapping('CUSIP', :cusip, :day)`),
      },
      {
        title:
          'lateral calls of resolve_mapping with as_of, ten periods each, against the same without as_of',
        kind: 'time',
        target: 1.3,
        baseline: () => serverTime(sql, current()),
        ours: () => serverTime(sql, past()),
        explain: async () => `${await explained(sql, current())}\n\n${await explained(sql, past())}`,
      },
    ]
  },
}
