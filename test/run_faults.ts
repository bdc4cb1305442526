/**
 * The runner behind `npm run test:faults`: every test that docs/guarantees.md names, at length, one at a time.
 *
 *   node test/run_faults.ts [--write] [--limit <seconds a file>] [part of a path ...]
 *
 * With --write the figures that the tests tell go into the document's tables, beside the tests that they come from.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { packageRoot } from './support/cluster.ts'
import { figuresIn } from './support/figure.ts'
import { guaranteesFile, testsNamedIn, withFigures } from './support/guarantees.ts'
import { packagedServer } from './support/run_clusters.ts'
import { TestRun } from './support/test_run.ts'

const { values: options, positionals: patterns } = parseArgs({
  allowPositionals: true,
  options: {
    write: { type: 'boolean', default: false },
    limit: { type: 'string', default: '900' },
  },
})

process.exit(await main())

async function main(): Promise<number> {
  await using run = await TestRun.start({
    limitMs: Number(options.limit) * 1000,
    atOnce: 1,
    environment: { PGFIGI_TEST_AT_LENGTH: '1' },
  })
  const figures = new Map<string, string>()
  try {
    const document = await readFile(guaranteesFile, 'utf8')
    const named = testsNamedIn(document)
    const files = named.filter(
      (file) => patterns.length === 0 || patterns.some((part) => file.includes(part)),
    )
    if (files.length === 0) run.fail('docs/guarantees.md names no such test')
    const paths = new Map(files.map((file) => [join(packageRoot, file), file]))
    await run.files(
      [...paths.keys()],
      packagedServer,
      (path, { output, passed, failed, skipped, seconds }) => {
        const told = figuresIn(output)
        for (const text of told) console.log(`       ${text}`)
        const sum = `${passed} passed${failed > 0 ? `, ${failed} failed` : ''}${skipped > 0 ? `, ${skipped} skipped` : ''}, ${seconds.toFixed(0)} s`
        figures.set(paths.get(path) as string, [...told, sum].join('; '))
      },
    )
    if (options.write) {
      const when = `${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ${cpus().length} cores`
      await writeFile(guaranteesFile, withFigures(await readFile(guaranteesFile, 'utf8'), figures, when))
    }
  } catch (error) {
    run.fail(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  return run.end()
}
