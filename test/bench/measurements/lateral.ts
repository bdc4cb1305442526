import type { Measurement } from '../harness.ts'
import { explained, serverTime } from '../statement.ts'

/** 100,000 holdings, each with its lookup: resolve_mapping against a bare lateral join. */
export const lateral: Measurement = {
  name: 'lateral',
  async comparisons({ sql }) {
    const ours = () => sql`
      select h.id, h.quantity, r.ticker, r.status
      from bench.holdings_100k h
      cross join lateral resolve_mapping('CUSIP', h.cusip) r`
    const baseline = () => sql`
      select h.id, h.quantity, m.ticker, m.has_no_results
      from bench.holdings_100k h
      left join lateral (
        select m.*
        from security_mappings m
        where m.identifier_type = 'CUSIP'
          and m.identifier_value = h.cusip
          and m.end_date is null
      ) m on true`
    return [
      {
        title: '100,000 lateral calls of resolve_mapping against a lateral join',
        kind: 'time',
        target: 1.25,
        baseline: () => serverTime(sql, baseline()),
        ours: () => serverTime(sql, ours()),
        explain: async () => `${await explained(sql, baseline())}\n\n${await explained(sql, ours())}`,
      },
    ]
  },
}
