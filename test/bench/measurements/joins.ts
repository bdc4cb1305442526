import type { Measurement } from '../harness.ts'
import { explained, serverTime } from '../statement.ts'

/** Holdings joined with all that is known, now and at an instant, against the table itself. */
export const joins: Measurement = {
  name: 'joins',
  async comparisons({ sql }) {
    const [{ holdings }] = await sql<
      [{ holdings: number }]
    >`select count(*)::int as holdings from bench.holdings`
    const asOf = new Date(Date.now() - 1000 * 86_400_000).toISOString()
    const current = () => sql`
      select h.id, h.quantity, m.ticker
      from bench.holdings h
      join current_mappings m on m.identifier_type = 'CUSIP' and m.identifier_value = h.cusip`
    const bareCurrent = () => sql`
      select h.id, h.quantity, m.ticker
      from bench.holdings h
      join security_mappings m
        on m.identifier_type = 'CUSIP' and m.identifier_value = h.cusip and m.end_date is null`
    const past = () => sql`
      select h.id, h.quantity, m.ticker
      from bench.holdings h
      join mappings_as_of(${asOf}::timestamptz) m on m.identifier_type = 'CUSIP' and m.identifier_value = h.cusip`
    const barePast = () => sql`
      select h.id, h.quantity, m.ticker
      from bench.holdings h
      join security_mappings m
        on m.identifier_type = 'CUSIP'
        and m.identifier_value = h.cusip
        and m.start_date <= ${asOf}::timestamptz
        and (m.end_date is null or m.end_date > ${asOf}::timestamptz)`
    return [
      {
        title: `current_mappings joined with ${holdings} holdings against the table`,
        kind: 'time',
        target: 1.1,
        baseline: () => serverTime(sql, bareCurrent()),
        ours: () => serverTime(sql, current()),
        explain: async () => `${await explained(sql, bareCurrent())}\n\n${await explained(sql, current())}`,
      },
      {
        title: `mappings_as_of joined with ${holdings} holdings against the table`,
        kind: 'time',
        target: 1.1,
        baseline: () => serverTime(sql, barePast()),
        ours: () => serverTime(sql, past()),
        explain: async () => `${await explained(sql, barePast())}\n\n${await explained(sql, past())}`,
      },
    ]
  },
}
