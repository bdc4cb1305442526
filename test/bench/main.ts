/**
 * The project's yardstick: each measurement and its baseline in turn, in one run, on a throwaway embedded database.
 *
 *   npm run bench -- [--rows 1000000] [--only name,name] [--rounds 5] [--json file] [--explain] [--home folder]
 *
 * --rows is the number of identifiers; --home keeps the database in a folder, so that the next run need not load it.
 */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { openBenchDatabase } from './database.ts'
import { compare, type Result } from './harness.ts'
import { machine, watchMemory } from './machine.ts'
import { measurements } from './measurements.ts'
import { asText, type Report } from './report.ts'

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    only: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    json: { type: 'string' },
    explain: { type: 'boolean', default: false },
    home: { type: 'string' },
  },
})
const rows = wholeNumber('rows', options.rows, 1000, 40_000_000)
const rounds = wholeNumber('rounds', options.rounds, 1, 1000)
const names = options.only?.split(',') ?? measurements.map(({ name }) => name)
const chosen = names.map((name) => measurements.find((one) => one.name === name) ?? unknown(name))
const started = performance.now()

await using database = await openBenchDatabase(rows, options.home, log)
const memory = watchMemory(database.home)
const results: Result[] = []
for (const { name, comparisons, close } of chosen) {
  try {
    for (const comparison of await comparisons(database, log)) {
      if (options.explain && comparison.explain) log(await comparison.explain())
      const result = await compare(name, comparison, rounds)
      log(`${name}: ${result.title}: ${result.ratio.toFixed(2)}`)
      results.push(result)
    }
  } finally {
    await close?.()
  }
}
const [server] = await database.sql<[{ version: string }]>`select split_part(version(), ' on ', 1) as version`
const report: Report = {
  date: new Date().toISOString(),
  machine: machine(),
  server: server.version,
  size: database.size,
  rounds,
  results,
  peakMemory: memory.stop(),
}
console.log(asText(report))
if (options.json) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`)

/** Progress, on stderr. */
function log(line: string): void {
  console.error(`${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${line}`)
}

function wholeNumber(name: string, text: string, from: number, to: number): number {
  const number = Number(text)
  if (Number.isInteger(number) && number >= from && number <= to) return number
  return wrongUsage(`--${name} must be a whole number from ${from} to ${to}`)
}

function unknown(name: string): never {
  return wrongUsage(
    `there is no measurement ${name}; there are ${measurements.map((one) => one.name).join(', ')}`,
  )
}

function wrongUsage(problem: string): never {
  console.error(problem)
  process.exit(2)
}
