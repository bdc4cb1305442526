/**
 * The project's yardstick: each measurement and its baseline in turn, in one run, on a throwaway embedded database.
 *
 *   npm run bench -- [--rows 100000,1000000] [--only name,name] [--rounds 5] [--every-size] [--json file] [--explain] [--home folder]
 *
 * --rows are numbers of identifiers, a database each: measurements run on the largest, or on every one with --every-size,
 * and latency compares it with the smallest. --only names what is to run, also what does not run otherwise (laws, files, page).
 * --home keeps the databases in a folder, so that the next run need not load them.
 */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { cleanUp } from './clean_up.ts'
import { openBenchCluster } from './database.ts'
import { compare, type Result } from './harness.ts'
import { machine, watchMemory } from './machine.ts'
import { measurements } from './measurements.ts'
import { asText, type Report } from './report.ts'

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '100000,1000000' },
    only: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    'every-size': { type: 'boolean', default: false },
    json: { type: 'string' },
    explain: { type: 'boolean', default: false },
    home: { type: 'string' },
  },
})
const sizes = [...new Set(options.rows.split(',').map((text) => wholeNumber('rows', text, 1000, 40_000_000)))]
const rounds = wholeNumber('rounds', options.rounds, 1, 1000)
const chosen = options.only
  ? options.only.split(',').map((name) => measurements.find((one) => one.name === name) ?? unknown(name))
  : measurements.filter((one) => one.isDefault ?? true)
const started = performance.now()

await using cluster = await openBenchCluster(sizes, options.home, log)
const memory = watchMemory(cluster.home)
const results: Result[] = []
for (const database of options['every-size'] ? cluster.databases : cluster.databases.slice(-1)) {
  for (const { name, comparisons } of chosen) {
    const begun = performance.now()
    try {
      for (const comparison of await comparisons(database, log)) {
        if (options.explain && comparison.explain) log(await comparison.explain())
        const result = await compare(name, database.size.identifiers, comparison, rounds)
        log(`${name}: ${result.title}: ${result.ratio.toFixed(2)}`)
        results.push(result)
      }
    } finally {
      await cleanUp()
    }
    log(`${name} took ${((performance.now() - begun) / 1000).toFixed(1)} s`)
  }
}
const report: Report = {
  date: new Date().toISOString(),
  machine: machine(),
  server: cluster.version,
  sizes: cluster.databases.map(({ size }) => size),
  rounds,
  results,
  peakMemory: memory.stop(),
  seconds: Math.round((performance.now() - started) / 1000),
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
