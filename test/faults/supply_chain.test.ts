import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { run } from '../package/npm.ts'
import { packageRoot } from '../support/cluster.ts'
import { figure } from '../support/figure.ts'

const test = suite('what pgfigi is made of')

interface Locked {
  readonly version: string
  readonly resolved?: string
  readonly integrity?: string
  readonly license?: string
  readonly hasInstallScript?: true
  readonly dev?: true
  readonly dependencies?: Readonly<Record<string, string>>
}

const readJson = async (file: string) => JSON.parse(await readFile(join(packageRoot, file), 'utf8'))
const { dependencies, devDependencies, optionalDependencies, allowScripts } = await readJson('package.json')
const { packages: all }: { packages: Record<string, Locked> } = await readJson('package-lock.json')
const { '': root, ...packages } = all

/** Licences that let anybody use, change and pass on. */
const licences = /^(MIT|ISC|0BSD|BSD-[023]-Clause|Apache-2\.0|BlueOak-1\.0\.0|Unlicense|Python-2\.0)$/

/** Where the package at `from` finds the one that it needs. */
function found(from: string, name: string): string | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(folder.lastIndexOf('/node_modules/'), 0))) {
    const path = `${folder && `${folder}/`}node_modules/${name}`
    if (packages[path]) return path
    if (!folder) return undefined
  }
}

/** It and all that it brings. */
function closure(path: string, seen = new Set<string>()): Set<string> {
  if (seen.has(path)) return seen
  seen.add(path)
  for (const name of Object.keys(packages[path]?.dependencies ?? {})) {
    const next = found(path, name)
    if (next) closure(next, seen)
  }
  return seen
}

test('every version is exact, and every package in the lockfile has its hash and comes from the registry', () => {
  for (const [name, version] of Object.entries({
    ...dependencies,
    ...devDependencies,
    ...optionalDependencies,
  })) {
    assert.match(String(version), /^\d+\.\d+\.\d+(-[\w.]+)?$/, name)
    assert.is(packages[`node_modules/${name}`]?.version, version, name)
  }
  assert.equal((root as { dependencies?: object })?.dependencies, dependencies)
  for (const [path, { integrity, resolved }] of Object.entries(packages)) {
    assert.match(integrity ?? '', /^sha512-/, path)
    assert.match(resolved ?? 'https://registry.npmjs.org/', /^https:\/\/registry\.npmjs\.org\//, path)
  }
})

test('exactly the packages that have an install script are approved by name', async () => {
  const scripted = Object.entries(packages).filter(([, { hasInstallScript }]) => hasInstallScript)
  assert.equal(
    scripted.map(([path]) => path.replace(/^.*node_modules\//, '')).sort(),
    Object.keys(allowScripts).sort(),
  )
  assert.match(await readFile(join(packageRoot, '.npmrc'), 'utf8'), 'strict-allow-scripts=true')
})

test('docs/security.md lists each package with what is true of it', async () => {
  const text = await readFile(join(packageRoot, 'docs', 'security.md'), 'utf8')
  const listed = [
    ...text.matchAll(/^\| `(\S+)` \| (\S+) \| (.+) \| (.+) \| (\d+) \| (yes|no) \| (\S+) \|$/gm),
  ]
  const told = listed.map(([, name, version, , , brings, script, licence]) =>
    [name, version, brings, script, licence].join(' '),
  )
  const wanted = Object.entries({ ...dependencies, ...optionalDependencies }).map(([name, version]) => {
    const path = `node_modules/${name}`
    const { hasInstallScript, license } = packages[path] as Locked
    return [name, version, closure(path).size - 1, hasInstallScript ? 'yes' : 'no', license].join(' ')
  })
  assert.equal(told, wanted)
  const shipped = new Set(Object.keys(dependencies).flatMap((name) => [...closure(`node_modules/${name}`)]))
  for (const path of shipped) assert.match(packages[path]?.license ?? '', licences, path)
  assert.match(text, `${shipped.size} packages in all`)
  figure(`${Object.keys(dependencies).length} packages, ${shipped.size} in all`)
})

test('npm audit knows no fault in what is shipped', async () => {
  const flags = ['--omit=dev', '--json', '--fetch-retries', '0', '--fetch-timeout', '10000']
  const { stdout } = await run('npm', ['audit', ...flags], packageRoot)
  const { metadata, message } = JSON.parse(stdout || '{}')
  if (!metadata?.vulnerabilities) {
    console.log(`SKIPPED: npm audit (the registry gives none: ${message ?? 'no answer'})`)
    return
  }
  const { vulnerabilities } = metadata
  assert.is(vulnerabilities.total, 0, JSON.stringify(vulnerabilities))
})

test.run()
