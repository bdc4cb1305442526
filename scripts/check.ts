/** `npm run check`: what can be told without running the tests. All at once, each by its name; exit 1 if one fails. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { acquireEmbedded } from '../src/database/embedded.ts'
import { migrateUp } from '../src/database/migrate.ts'
import { makeHome, removeHome, throwawaySettings } from '../test/support/cluster.ts'
import { builtSql } from './built_sql.ts'

interface Outcome {
  readonly passed: boolean
  readonly output: string
}

const root = join(import.meta.dirname, '..')

const checks: Readonly<Record<string, () => Promise<Outcome>>> = {
  types: () => program('tsc', ['-p', 'tsconfig.json']),
  'lint and format': () => program('biome', ['check', '--error-on-warnings', '.']),
  'unused code and dependencies': () => program('knip', []),
  'no SQL or command is built from strings': noBuiltSql,
  'no uncommitted migration': migrationStatus,
  'schema.sql is fresh': () => node(['scripts/schema_dump.ts', '--check']),
  'docs/api is fresh': () => node(['scripts/api_docs.ts', '--check']),
}

const outcomes = await Promise.all(
  Object.entries(checks).map(async ([name, check]) => {
    const started = performance.now()
    const { passed, output } = await check().catch((error) => ({
      passed: false,
      output: String(error?.stack),
    }))
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    console.log(`${passed ? 'ok    ' : 'FAILED'} ${name}  ${seconds} s`)
    if (!passed) console.log(output.trim().replace(/^/gm, '       | '))
    return passed
  }),
)
const failed = outcomes.filter((passed) => !passed).length
console.log(`\n${outcomes.length - failed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0

async function noBuiltSql(): Promise<Outcome> {
  const found: string[] = []
  for (const folder of ['src', 'tasks', 'scripts']) {
    for (const name of await readdir(join(root, folder), { recursive: true })) {
      const file = join(root, folder, name)
      if (!name.endsWith('.ts')) continue
      found.push(...builtSql(relative(root, file).replaceAll('\\', '/'), await readFile(file, 'utf8')))
    }
  }
  return { passed: found.length === 0, output: found.join('\n') }
}

/** graphile-migrate's own word for it, by .gmrc, on a database that has all that is committed. */
async function migrationStatus(): Promise<Outcome> {
  const home = await mkdtemp(join(tmpdir(), 'pgfigi-check-'))
  try {
    await makeHome(home)
    await using embedded = await acquireEmbedded({ home, settings: throwawaySettings })
    await migrateUp(embedded.url)
    const elsewhere = (database: string) => embedded.url.replace(/[^/]*$/, database)
    return await node(['node_modules/graphile-migrate/dist/cli.js', 'status'], {
      DATABASE_URL: embedded.url,
      SHADOW_DATABASE_URL: elsewhere('pgfigi_shadow'),
      ROOT_DATABASE_URL: elsewhere('postgres'),
    })
  } finally {
    await removeHome(home)
  }
}

function node(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  return run(process.execPath, args, env)
}

function program(name: string, args: readonly string[]): Promise<Outcome> {
  return run(join(root, 'node_modules/.bin', name), args)
}

async function run(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const child = spawn(file, args, {
    cwd: root,
    env: { ...process.env, ...env },
    shell: process.platform === 'win32' && file !== process.execPath, // there programs of packages are .cmd files
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8')
    stream.on('data', (chunk: string) => {
      output += chunk
    })
  }
  const [code] = await once(child, 'close')
  return { passed: code === 0, output }
}
