import type { Measurement } from '../harness.ts'
import { throughputOf } from '../lookups.ts'
import { findPgbench } from '../pgbench.ts'

const clients = 4
const seconds = 2

export const ourQuery = `select * from resolve_mapping('CUSIP', :cusip)`
const bareQuery = `select * from security_mappings where identifier_type = 'CUSIP' and identifier_value = :cusip and end_date is null`

/** One lookup a query, as many as four sessions can: prepared, and by the simple protocol as a BI tool sends it. */
export const single: Measurement = {
  name: 'single',
  async comparisons(database, log) {
    const pgbench = await findPgbench()
    log(pgbench ? `pgbench: ${pgbench.version}` : 'there is no pgbench: the driver does its work')
    const throughput = (protocol: 'prepared' | 'simple', query: string) => () =>
      throughputOf(database, { protocol, query, identifiers: 'known', clients, seconds })
    return [
      {
        title: `resolve_mapping, prepared, ${clients} sessions, against a select of all columns by the index`,
        kind: 'throughput',
        target: 0.85,
        baseline: throughput('prepared', bareQuery),
        ours: throughput('prepared', ourQuery),
      },
      {
        title: `resolve_mapping, simple protocol, ${clients} sessions, against a select of all columns by the index`,
        kind: 'throughput',
        target: 0.5,
        baseline: throughput('simple', bareQuery),
        ours: throughput('simple', ourQuery),
      },
    ]
  },
}
