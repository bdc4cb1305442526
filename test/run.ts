/**
 * The runner behind `npm test`: every test/**\/*.test.ts in a process of its own, against a throwaway cluster.
 *
 *   node test/run.ts [--folder <folder>] [--limit <seconds a file>] [--no-database] [part of a path ...]
 *
 * The API key and the database's password of the tests are canaries (test/support/canaries.ts): a file that prints one, or
 * shows it in the list of processes, has failed, and so has the run where a database or the server's log has kept one.
 *
 * A file whose source has a line that begins with `// runs alone` runs while no other does; one with `// takes minutes` runs
 * where a pattern names it, and else in `npm run test:faults` (test/run_faults.ts), which tries everything else at length, too.
 */
import { readFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { packageRoot } from './support/cluster.ts'
import { otherServers, packagedServer } from './support/run_clusters.ts'
import { findTests } from './support/run_find.ts'
import { TestRun } from './support/test_run.ts'

/** More than cores: many wait for windows, leases and pauses. */
const atOnce = 4
/** Seconds: what hangs is ended, and what is slow on a busy machine (test/package builds, packs and installs) is not. */
const usualLimit = '300'
/** Run again on every other PostgreSQL of the machine's: the SQL, and the loop that calls most of it. */
const FOR_ALL_SERVERS = /^test\/(sql\/|pipeline\/fetcher)/
const MINUTES = /^\/\/ takes minutes/m

const { values: options, positionals: patterns } = parseArgs({
  allowPositionals: true,
  options: {
    folder: { type: 'string', default: join(packageRoot, 'test') },
    limit: { type: 'string', default: usualLimit },
    'no-database': { type: 'boolean', default: false },
  },
})

process.exit(await main())

async function main(): Promise<number> {
  await using run = await TestRun.start({ limitMs: Number(options.limit) * 1000, atOnce })
  try {
    const found = await findTests(resolve(options.folder), patterns)
    if (found.length === 0) run.fail('there is no such test')
    const files = patterns.length > 0 ? found : await withoutThoseOfMinutes(found)
    await run.files(files, options['no-database'] ? null : packagedServer)
    const forAll = files.filter((file) => FOR_ALL_SERVERS.test(relative(packageRoot, file)))
    if (forAll.length > 0 && !options['no-database']) {
      const servers = await otherServers()
      if (servers.length === 0)
        run.skip('the SQL on another PostgreSQL (there is none in /usr/lib/postgresql)')
      for (const server of servers) await run.files(forAll, server)
    }
  } catch (error) {
    run.fail(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  return run.end()
}

async function withoutThoseOfMinutes(files: readonly string[]): Promise<string[]> {
  const sources = await Promise.all(files.map((file) => readFile(file, 'utf8')))
  const left = files.filter((_, place) => MINUTES.test(sources[place] ?? ''))
  for (const file of left) console.log(`left to npm run test:faults: ${relative(packageRoot, file)}`)
  return files.filter((file) => !left.includes(file))
}
