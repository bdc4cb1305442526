import type { BenchDatabase } from '../database.ts'
import type { Measurement } from '../harness.ts'
import { throughputOf } from '../lookups.ts'
import { ourQuery } from './single.ts'

const seconds = 2

/** How much longer one lookup takes in this database than in the smallest of the run. */
export const latency: Measurement = {
  name: 'latency',
  async comparisons(database, log) {
    const { smallest, size } = database
    if (smallest.size.identifiers === size.identifiers) {
      log('SKIPPED: latency (there is no smaller database to compare with; see --rows)')
      return []
    }
    const milliseconds = (of: BenchDatabase) => async () => {
      const lookups = {
        protocol: 'prepared',
        query: ourQuery,
        identifiers: 'known',
        clients: 1,
        seconds,
      } as const
      return 1000 / (await throughputOf(of, lookups))
    }
    return [
      {
        title: `resolve_mapping, prepared, one session, against the same with ${smallest.size.identifiers} identifiers`,
        kind: 'time',
        target: 1.3,
        baseline: milliseconds(smallest),
        ours: milliseconds(database),
      },
    ]
  },
}
