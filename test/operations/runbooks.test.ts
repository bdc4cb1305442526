import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { packageRoot } from '../support/cluster.ts'
import { withDatabase, withRollback } from '../support/database.ts'
import { readAlerts } from './alerts.ts'
import { blocksOf, pagesOf, readPages } from './pages.ts'

const test = suite('runbooks')
const execute = promisify(execFile)

const headings = ['What it means', 'How to look', 'What to do', 'How to know that it worked']
/** Those that are of no health check. */
const others = ['database', 'page']

async function checkNames(sql: Sql): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`select name from public.health_checks()`
  return rows.map(({ name }) => name)
}

test('every check has a runbook, and no runbook is an orphan', async () => {
  const names = (await readdir(join(packageRoot, 'docs', 'runbooks'))).map((name) =>
    name.replace(/\.md$/, ''),
  )
  const checks = await withDatabase(({ sql }) => checkNames(sql))
  assert.equal(names.sort(), [...checks, ...others, 'README'].sort())
  const index = await readFile(join(packageRoot, 'docs', 'runbooks', 'README.md'), 'utf8')
  const listed = [...index.matchAll(/^\| \[(\w+)\]\(\1\.md\)/gm)].map(([, name]) => name)
  assert.equal(listed, checks, 'the index has them in their order')
})

test('every runbook says what it means, how to look, what to do, and how to know that it worked', async () => {
  for (const { path, text } of await pagesOf('runbooks')) {
    if (path.endsWith('README.md')) continue
    const found = [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)
    assert.equal(found, headings, path)
    const name = path.replace(/^.*\/|\.md$/g, '')
    assert.match(text, new RegExp(`^# ${name}: `), path)
    assert.ok(text.split('\n').length < 100, `${path} is too long for three in the morning`)
  }
})

test('every check has an alert for each status, which leads to its runbook', async () => {
  const alerts = await readAlerts()
  const checks = await withDatabase(({ sql }) => checkNames(sql))
  for (const check of checks) {
    const mine = alerts.filter((alert) => alert.check === check)
    assert.equal(
      mine.map(({ severity, status, runbook }) => ({ severity, status, runbook })),
      [
        { severity: 'critical', status: 2, runbook: check },
        { severity: 'warning', status: 1, runbook: check },
      ],
      check,
    )
  }
  assert.is(alerts.filter(({ check }) => check !== undefined).length, checks.length * 2)
  for (const { name, check, runbook } of alerts) {
    if (check === undefined) assert.ok(others.includes(runbook ?? ''), `${name} leads to ${runbook}`)
  }
})

test('what the docs say in SQL runs, as it stands there', async () => {
  let count = 0
  for (const page of await readPages()) {
    for (const block of blocksOf(page, 'sql')) {
      count++
      await withRollback((sql) => sql.unsafe(block)).catch((error) => {
        throw new Error(`${page.path}: ${error.message}\n${block}`, { cause: error })
      })
    }
  }
  assert.ok(count > 50)
})

test('what the docs say for psql runs, as it stands there', async () => {
  if (!(await isThere('psql'))) return console.log('SKIPPED: commands of the docs for psql (it is not there)')
  await withDatabase(async ({ url }) => {
    let count = 0
    for (const page of await readPages()) {
      for (const line of blocksOf(page, 'sh').flatMap((block) => block.split('\n'))) {
        if (!/^psql "\$DATABASE_URL" .*-c "/.test(line)) continue
        count++
        await execute('sh', ['-c', line.replace('psql', 'psql -v ON_ERROR_STOP=1')], {
          env: { ...process.env, DATABASE_URL: url },
        }).catch((error) => {
          throw new Error(`${page.path}: ${error.stderr}`, { cause: error })
        })
      }
    }
    assert.ok(count > 5)
  })
})

function isThere(program: string): Promise<boolean> {
  return execute(program, ['--version']).then(
    () => true,
    () => false,
  )
}

test.run()
