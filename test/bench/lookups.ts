import type { BenchDatabase } from './database.ts'
import { driverThroughput } from './driver_load.ts'
import { findPgbench, type Protocol, runPgbench } from './pgbench.ts'

/** Which identifiers are looked up: any known CUSIP, or one of those with ten periods. */
export type Identifiers = 'known' | 'changed'

export interface Lookups {
  readonly protocol: Protocol
  /** With :cusip and, as 20260131, :day, a day within the last 900. */
  readonly query: string
  readonly identifiers: Identifiers
  readonly clients: number
  readonly seconds: number
}

/** A number's CUSIP by the rule of load.sql: eight digits and their check digit. And a day of 28 in any month. */
const pick = `
\\set number :first + random(0, :count - 1)
\\set eight 10000000 + (:number * 7654321) % 90000000
\\set p1 :eight / 1000000
\\set p2 (:eight / 10000) % 100
\\set p3 (:eight / 100) % 100
\\set p4 :eight % 100
\\set sum (:p1 + :p2 + :p3 + :p4) * 2 + :p1 / 10 + :p2 / 10 + :p3 / 10 + :p4 / 10 + (:p1 / 5) % 2 + (:p2 / 5) % 2 + (:p3 / 5) % 2 + (:p4 / 5) % 2
\\set cusip :eight * 10 + (1000 - :sum) % 10
\\set month :month0 - random(1, 29)
\\set day (:month / 12) * 10000 + (:month % 12 + 1) * 100 + random(1, 28)
`

/** Queries a second: by pgbench where there is one, else by the driver. */
export async function throughputOf(database: BenchDatabase, lookups: Lookups): Promise<number> {
  const { first, count } = numbersOf(database, lookups.identifiers)
  const pgbench = await findPgbench()
  if (!pgbench) return await driverThroughput(database, lookups, { first, count })
  const now = new Date()
  // With prepared statements a variable becomes a parameter, and in quotes it would become none.
  const query =
    lookups.protocol === 'prepared'
      ? lookups.query
      : lookups.query.replaceAll(':cusip', `':cusip'`).replaceAll(':day', `':day'`)
  return await runPgbench(pgbench, {
    url: database.url,
    protocol: lookups.protocol,
    script: `${pick}${query};`,
    clients: lookups.clients,
    seconds: lookups.seconds,
    variables: { first, count, month0: now.getUTCFullYear() * 12 + now.getUTCMonth() },
  })
}

/** The argument of bench.cusip: where the identifiers begin, and how many there are. */
function numbersOf({ size }: BenchDatabase, identifiers: Identifiers): { first: number; count: number } {
  return identifiers === 'known'
    ? { first: 0, count: size.cusips }
    : { first: 67_500_000, count: size.changed }
}
