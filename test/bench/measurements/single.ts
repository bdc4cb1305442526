import { driverThroughput } from '../driver_load.ts'
import type { Measurement } from '../harness.ts'
import { findPgbench, type Pgbench, type Protocol, runPgbench } from '../pgbench.ts'

const clients = 4
const seconds = 3

/** The number of a known CUSIP, and its text by the rule of load.sql: eight digits and their check digit. */
const pickCusip = `
\\set number random(0, :cusips - 1)
\\set eight 10000000 + (:number * 7654321) % 90000000
\\set p1 :eight / 1000000
\\set p2 (:eight / 10000) % 100
\\set p3 (:eight / 100) % 100
\\set p4 :eight % 100
\\set sum (:p1 + :p2 + :p3 + :p4) * 2 + :p1 / 10 + :p2 / 10 + :p3 / 10 + :p4 / 10 + (:p1 / 5) % 2 + (:p2 / 5) % 2 + (:p3 / 5) % 2 + (:p4 / 5) % 2
\\set cusip :eight * 10 + (1000 - :sum) % 10
`

const ourQuery = (value: string) => `select * from resolve_mapping('CUSIP', ${value});`
const bareQuery = (value: string) =>
  `select * from security_mappings where identifier_type = 'CUSIP' and identifier_value = ${value} and end_date is null;`

/** One lookup a query, as many as four sessions can: prepared, and by the simple protocol as a BI tool sends it. */
export const single: Measurement = {
  name: 'single',
  async comparisons(database, log) {
    const pgbench = await findPgbench()
    log(pgbench ? `pgbench: ${pgbench.version}` : 'there is no pgbench: the driver does its work')
    const throughput = (protocol: Protocol, query: (value: string) => string) => () =>
      pgbench
        ? withPgbench(pgbench, protocol, query)
        : driverThroughput(database, protocol, query('$1'), { clients, seconds })
    const withPgbench = (program: Pgbench, protocol: Protocol, query: (value: string) => string) => {
      // With prepared statements a variable becomes a parameter, and in quotes it would become none.
      const script = pickCusip + query(protocol === 'prepared' ? ':cusip' : `':cusip'`)
      return runPgbench(program, {
        url: database.url,
        protocol,
        script,
        clients,
        seconds,
        variables: { cusips: database.size.cusips },
      })
    }
    return [
      {
        title: `resolve_mapping, prepared, ${clients} sessions, against a select by the index`,
        kind: 'throughput',
        target: 0.85,
        baseline: throughput('prepared', bareQuery),
        ours: throughput('prepared', ourQuery),
      },
      {
        title: `resolve_mapping, simple protocol, ${clients} sessions, against a select by the index`,
        kind: 'throughput',
        target: 0.5,
        baseline: throughput('simple', bareQuery),
        ours: throughput('simple', ourQuery),
      },
    ]
  },
}
