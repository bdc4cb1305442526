import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
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

const grants = await readFile(join(packageRoot, 'docs', 'grants.sql'), 'utf8')

async function checkNames(sql: Parameters<Parameters<typeof withRollback>[0]>[0]): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`select name from public.health_checks()`
  return rows.map(({ name }) => name)
}

test('every check has a runbook, and no runbook is an orphan', async () => {
  const names = (await readdir(join(packageRoot, 'docs', 'runbooks'))).map((name) =>
    name.replace(/\.md$/, ''),
  )
  const checks = await withRollback(checkNames)
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
  const checks = await withRollback(checkNames)
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
    await withRollback(async (sql) => {
      await sql.unsafe(ofOurOwn(grants))
      for (const block of blocksOf(page, 'sql')) {
        count++
        await sql.unsafe(ofOurOwn(block)).catch((error) => {
          throw new Error(`${page.path}: ${error.message}\n${block}`, { cause: error })
        })
      }
    })
  }
  assert.ok(count > 60)
})

/** The password stands where no list of processes shows it. */
function forPsql(url: string): Record<string, string> {
  const { password } = new URL(url)
  return {
    DATABASE_URL: Object.assign(new URL(url), { password: '' }).href,
    PGPASSWORD: decodeURIComponent(password),
  }
}

test('what the docs say for psql runs, as it stands there', async () => {
  if (!(await isThere('psql'))) return console.log('SKIPPED: commands of the docs for psql (it is not there)')
  await withDatabase(async ({ sql, url }) => {
    await sql.unsafe(ofOurOwn(grants))
    let count = 0
    // Those who leave drop the roles again.
    for (const page of (await readPages()).sort((one, other) => leavesLast(one) - leavesLast(other))) {
      for (const line of blocksOf(page, 'sh').flatMap((block) => block.split('\n'))) {
        if (!/^psql "\$DATABASE_URL" .*-c "/.test(line)) continue
        count++
        await execute('sh', ['-c', ofOurOwn(line).replace('psql', 'psql -v ON_ERROR_STOP=1')], {
          env: { ...process.env, ...forPsql(url) },
        }).catch((error) => {
          throw new Error(`${page.path}: ${error.stderr}`, { cause: error })
        })
      }
    }
    assert.ok(count > 10)
    const left = await sql`select rolname from pg_roles where rolname like ${`pgfigi\\_%\\_${process.pid}`}`
    assert.equal([...left], [])
  })
})

const leavesLast = ({ path }: { path: string }) => (path.endsWith('leave.md') ? 1 : 0)

/** Roles are the whole server's, and other tests make them, too. */
function ofOurOwn(text: string): string {
  return text.replaceAll(/\bpgfigi_(analyst|monitor|worker)\b/g, `$&_${process.pid}`)
}

function isThere(program: string): Promise<boolean> {
  return execute(program, ['--version']).then(
    () => true,
    () => false,
  )
}

test.run()
