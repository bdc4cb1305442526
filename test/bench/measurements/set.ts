import type { Measurement } from '../harness.ts'
import { explained, serverTime } from '../statement.ts'

/** A portfolio of 100,000 identifiers as one array: resolve_mappings against a bare join with unnest. */
export const set: Measurement = {
  name: 'set',
  async comparisons({ sql }) {
    const [{ values }] = await sql<[{ values: string[] }]>`
      select array_agg(cusip order by id) as values from bench.holdings_100k`
    const ours = () => sql`select * from resolve_mappings('CUSIP', ${values}::text[])`
    const baseline = () => sql`
      select m.*, wanted.ordinality
      from unnest(${values}::text[]) with ordinality as wanted (identifier_value, ordinality)
      left join security_mappings m
        on m.identifier_type = 'CUSIP'
        and m.identifier_value = wanted.identifier_value
        and m.end_date is null
      order by wanted.ordinality`
    return [
      {
        title: `resolve_mappings of ${values.length} against a join with unnest`,
        kind: 'time',
        target: 1.5,
        baseline: () => serverTime(sql, baseline()),
        ours: () => serverTime(sql, ours()),
        explain: async () => `${await explained(sql, baseline())}\n\n${await explained(sql, ours())}`,
      },
    ]
  },
}
