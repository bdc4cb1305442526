import { execFile } from 'node:child_process'
import { cp, mkdtemp, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { cleanEnvironment } from '../support/clean_environment.ts'
import { makeHome, packageRoot } from '../support/cluster.ts'

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface Tarball {
  readonly file: string
  /** Paths in the package. */
  readonly files: string[]
  readonly unpackedBytes: number
}

/** Ends with its output, whatever it exits with. This Node is first on its path. */
export function run(
  command: string,
  args: readonly string[],
  cwd: string,
  own: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  const path = [dirname(process.execPath), process.env.PATH].join(delimiter)
  const env = cleanEnvironment({ PATH: path, ...own })
  return new Promise((resolve) => {
    execFile(command, args, { cwd, env, maxBuffer: 50_000_000 }, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : 1) : 0
      resolve({ code, stdout, stderr })
    })
  })
}

/** A folder that the server's user can enter, too; the runner deletes it. */
export async function makeFolder(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `pgfigi-${name}-`))
  await makeHome(folder)
  return folder
}

/** Built and packed from a copy of the checkout: a dist/ in the checkout itself would be what others then run. */
export async function pack(): Promise<Tarball> {
  const copy = await makeFolder('checkout')
  const left = new Set(['node_modules', '.git', 'dist'])
  await cp(packageRoot, copy, {
    recursive: true,
    filter: (path) => dirname(path) !== packageRoot || !left.has(basename(path)),
  })
  await symlink(join(packageRoot, 'node_modules'), join(copy, 'node_modules'))
  const { code, stdout, stderr } = await run('npm', ['pack', '--json'], copy)
  if (code !== 0) throw new Error(`npm pack failed:\n${stdout}\n${stderr}`)
  const packed = JSON.parse(stdout.slice(stdout.search(/^[[{]/m)))
  const [{ filename, files, unpackedSize }] = Array.isArray(packed) ? packed : Object.values(packed)
  return {
    file: join(copy, filename),
    files: files.map((file: { path: string }) => file.path),
    unpackedBytes: unpackedSize,
  }
}

/** npm by itself would wait ten seconds, then a minute. */
const tryingAgain = ['--fetch-retries', '5', '--fetch-retry-mintimeout', '1000', '--fetch-retry-factor', '2']

let reached: Promise<Ran> | undefined

/** An empty project with the tarball installed, as a stranger would do it; null where npm reaches no registry. */
export async function install(
  tarball: Tarball,
  { packages = [] }: { packages?: readonly string[] } = {},
): Promise<string | null> {
  const project = await makeFolder('project')
  const patience = ['--fetch-retries', '0', '--fetch-timeout', '15000']
  reached ??= run('npm', ['view', 'postgres', 'name', '--prefer-online', ...patience], project)
  if ((await reached).code !== 0) return null
  await writeFile(
    join(project, 'package.json'),
    '{ "name": "stranger", "version": "1.0.0", "type": "module" }\n',
  )
  const { code, stderr } = await run(
    'npm',
    ['install', tarball.file, ...packages, '--prefer-offline', '--no-audit', '--no-fund', ...tryingAgain],
    project,
  )
  if (code !== 0) throw new Error(`npm install failed:\n${stderr}`)
  return project
}
