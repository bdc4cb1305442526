/**
 * The runner behind `npm test`: every test/**\/*.test.ts in a process of its own, against a throwaway cluster.
 *
 *   node test/run.ts [--folder <folder>] [--limit <seconds a file>] [--no-database] [part of a path ...]
 *
 * The API key and the database's password of the tests are canaries (test/support/canaries.ts): a file that prints one, or
 * shows it in the list of processes, has failed, and so has the run where a database or the server's log has kept one.
 *
 * A file whose source has a line that begins with `// runs alone` runs while no other does.
 */
import { readFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { cleanEnvironment } from './support/clean_environment.ts'
import { packageRoot, removeHome } from './support/cluster.ts'
import { otherServers, packagedServer, type Server, startCluster } from './support/run_clusters.ts'
import { type FileResult, runFile } from './support/run_file.ts'
import { findTests } from './support/run_find.ts'
import { makeRunFolder, makeTestFolder } from './support/run_folder.ts'

/** More than cores: many wait for windows, leases and pauses. */
const AT_ONCE = 3
/** Run again on every other PostgreSQL of the machine's: the SQL, and the loop that calls most of it. */
const FOR_ALL_SERVERS = /^test\/(sql\/|pipeline\/fetcher)/
const ALONE = /^\/\/ runs alone/m

const { values: options, positionals: patterns } = parseArgs({
  allowPositionals: true,
  options: {
    folder: { type: 'string', default: join(packageRoot, 'test') },
    limit: { type: 'string', default: '180' },
    'no-database': { type: 'boolean', default: false },
  },
})

const count = { passed: 0, failed: 0, skipped: 0 }
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => interrupted.abort())
}
const runFolder = await makeRunFolder()

try {
  const files = await findTests(resolve(options.folder), patterns)
  if (files.length === 0) fail('there is no such test')
  await runAll(files, options['no-database'] ? null : packagedServer)
  const forAll = files.filter((file) => FOR_ALL_SERVERS.test(relative(packageRoot, file)))
  if (forAll.length > 0 && !options['no-database']) await runOnOtherServers(forAll)
} catch (error) {
  fail(error instanceof Error ? (error.stack ?? error.message) : String(error))
} finally {
  await removeHome(runFolder)
}

if (interrupted.signal.aborted) fail('interrupted')
const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : ''
console.log(`\n${count.passed} passed, ${count.failed} failed${skipped}`)
process.exit(count.failed > 0 ? 1 : 0)

async function runOnOtherServers(files: readonly string[]): Promise<void> {
  const servers = await otherServers()
  if (servers.length === 0) {
    count.skipped++
    console.log('\nSKIPPED: the SQL on another PostgreSQL (there is none in /usr/lib/postgresql)')
  }
  for (const server of servers) await runAll(files, server)
}

async function runAll(files: readonly string[], server: Server | null): Promise<void> {
  await using cluster = server && (await startCluster(server, runFolder))
  if (server) console.log(`\n${files.length} files on ${server.title}`)
  const sources = new Map(
    await Promise.all(files.map(async (file) => [file, await readFile(file, 'utf8')] as const)),
  )
  const alone = files.filter((file) => ALONE.test(sources.get(file) ?? ''))
  const together = files.filter((file) => !alone.includes(file))
  await Promise.all(Array.from({ length: AT_ONCE }, () => runQueue(together, cluster?.url)))
  await runQueue(alone, cluster?.url)
  for (const trace of (await cluster?.traces()) ?? []) fail(trace)
}

async function runQueue(queue: string[], url: string | undefined): Promise<void> {
  for (let file = queue.shift(); file && !interrupted.signal.aborted; file = queue.shift()) {
    const folder = await makeTestFolder(runFolder)
    const env = cleanEnvironment({
      TMPDIR: folder,
      PGFIGI_HOME: join(folder, 'home'),
      ...(url ? { PGFIGI_TEST_DATABASE_URL: url } : {}),
    })
    const limitMs = Number(options.limit) * 1000
    report(file, await runFile(file, { env, cwd: packageRoot, limitMs, signal: interrupted.signal }))
    await removeHome(join(folder, 'home'))
  }
}

function report(file: string, result: FileResult): void {
  count.passed += result.passed
  count.failed += result.failed
  count.skipped += result.skipped
  const verdict = result.failed > 0 ? 'FAILED' : 'ok    '
  console.log(
    `${verdict} ${relative(packageRoot, file)}  ${result.passed} passed  ${result.seconds.toFixed(1)} s`,
  )
  for (const note of result.notes) console.log(`       note: ${note}`)
  for (const problem of result.problems) console.log(`       ${problem}`)
  if (result.failed > 0) console.log(result.output.trim().replace(/^/gm, '       | '))
  else for (const line of result.output.match(/\bSKIPPED: .+/g) ?? []) console.log(`       ${line}`)
}

function fail(problem: string): void {
  count.failed++
  console.log(`FAILED ${problem}`)
}
