import { access, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { packageRoot } from '../support/cluster.ts'
import { guaranteesFile, promisesIn, testsNamedIn, withFigures } from '../support/guarantees.ts'

const test = suite('docs/guarantees.md')

test('names a test that exists for each promise, and each test of a fault', async () => {
  const document = await readFile(guaranteesFile, 'utf8')
  const promises = promisesIn(document)
  assert.ok(promises.length > 0)
  for (const cells of promises) {
    assert.is(cells.length, 4, cells.join(' | '))
    for (const cell of cells.slice(0, 3)) assert.ok(cell, `${cells.join(' | ')} has an empty cell`)
    assert.ok(testsNamedIn(cells[2] ?? '').length > 0, `${cells[0]}: the third cell names no test`)
  }
  const named = testsNamedIn(document)
  for (const file of named) await access(join(packageRoot, file))
  const faults = (await readdir(join(packageRoot, 'test', 'faults'))).filter((name) =>
    name.endsWith('.test.ts'),
  )
  assert.equal(
    faults.filter((name) => !named.includes(`test/faults/${name}`)),
    [],
  )
})

test('each test that docs/security.md names exists', async () => {
  const named = testsNamedIn(await readFile(join(packageRoot, 'docs', 'security.md'), 'utf8'))
  assert.ok(named.length > 0)
  for (const file of named) await access(join(packageRoot, file))
})

test('gets the figures of the tests that ran, and keeps the others', () => {
  const row = (name: string, figures: string) =>
    `| kill | nothing lost | [${name}](../test/faults/${name}.test.ts) |${figures}|`
  const document = [
    'The last run: none yet.',
    '| fault | promise | shown by | the last run |',
    '|---|---|---|---|',
    row('a', ' '),
    row('b', ' old '),
  ].join('\n')
  const written = withFigures(document, new Map([['test/faults/a.test.ts', '3 kills | 2 s']]), '2026-01-02')
  assert.is(
    written,
    document.replace('none yet', '2026-01-02').replace(row('a', ' '), row('a', ' 3 kills / 2 s ')),
  )
})

test.run()
