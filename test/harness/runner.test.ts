import { execFile, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { processExists } from '../../src/processes.ts'
import { requireNoTraceInDatabase, testKey, testPassword } from '../support/canaries.ts'
import { cleanEnvironment } from '../support/clean_environment.ts'
import { packageRoot } from '../support/cluster.ts'
import { withEmptyDatabase } from '../support/database.ts'
import { type FileResult, type RunFileOptions, runFile } from '../support/run_file.ts'
import { until } from '../support/until.ts'

const test = suite('the test runner')

const head = `import { suite, test } from 'uvu'\nimport * as assert from 'uvu/assert'\n`

async function folderOf(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'runner-'))
  await symlink(join(packageRoot, 'node_modules'), join(folder, 'node_modules'))
  await writeFile(join(folder, 'package.json'), '{"type": "module"}')
  for (const [name, source] of Object.entries(files)) {
    await mkdir(join(folder, name, '..'), { recursive: true })
    await writeFile(join(folder, name), source)
  }
  return folder
}

/** So long may a file take that ends by itself. */
const amply = 60_000

async function resultOf(source: string, options: Partial<RunFileOptions> = {}): Promise<FileResult> {
  const folder = await folderOf({ 'some.test.ts': source })
  const file = join(folder, 'some.test.ts')
  return runFile(file, { cwd: folder, env: cleanEnvironment(), limitMs: amply, ...options })
}

/** Whoever runs this test must not find what it starts. */
function unmarkedEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(cleanEnvironment()).filter(([name]) => !name.startsWith('PGFIGI_TEST_MARK_')),
  )
}

const counts = ({ passed, failed, skipped }: FileResult) => ({ passed, failed, skipped })

test('a file that passes', async () => {
  const result = await resultOf(`${head} test('a', () => {}); test('b', async () => {})\ntest.run()`)
  assert.equal(counts(result), { passed: 2, failed: 0, skipped: 0 })
  assert.equal(result.problems, [])
})

test('a test that fails', async () => {
  const result = await resultOf(`${head} test('a', () => {}); test('b', () => assert.is(1, 2))\ntest.run()`)
  assert.equal(counts(result), { passed: 1, failed: 1, skipped: 0 })
})

const traps = {
  "a hook 'before' that throws": `${head} test.before(() => { throw new Error('no') }); test('a', () => {})\ntest.run()`,
  "a hook 'before.each' that throws": `${head} test.before.each(() => { throw new Error('no') }); test('a', () => {})\ntest.run()`,
  "a hook 'after.each' that throws": `${head} test.after.each(() => { throw new Error('no') }); test('a', () => {})\ntest.run()`,
  "a hook 'after' that throws": `${head} test.after(() => { throw new Error('no') }); test('a', () => {})\ntest.run()`,
  "throw 'string'": `${head} test('a', () => { throw 'string' })\ntest.run()`,
  'a missing .run()': `${head} test('a', () => {})`,
  'a missing .run() of a second suite': `${head}const one = suite('one')\none('a', () => {})\none.run()\nconst two = suite('two')\ntwo('b', () => {})\ntest('c', () => {})\ntest.run()`,
  'an empty file': '',
  'a promise that never settles': `${head} test('a', () => new Promise(() => {}))\ntest.run()`,
  'a promise that is rejected after the end': `${head} test('a', () => { setTimeout(() => Promise.reject(new Error('late')), 50) })\ntest.run()`,
  'process.exit(0) in the middle': `${head} test('a', () => {}); test('b', () => process.exit(0))\ntest.run()`,
  'an exit status': `${head} test('a', () => {})\ntest.run()\nsetTimeout(() => { process.exitCode = 3 }, 200)`,
  'a syntax error': `${head} test('a', () => {`,
  'a process that is killed': `${head} test('a', () => process.kill(process.pid, 'SIGKILL'))\ntest.run()`,
}

for (const [name, source] of Object.entries(traps)) {
  test(`${name} is a failure`, async () => {
    const result = await resultOf(source)
    assert.ok(result.failed > 0, JSON.stringify(result))
    assert.ok(result.problems.length > 0)
  })
}

const told = {
  'printed by a test': `console.log('first line\\nthe key is ' + testKey)`,
  'printed as an error': `console.error('first line\\nthe key is ' + testKey)`,
  'in the arguments of a process': `spawnSync('sleep', ['3'], { argv0: 'sleep ' + testKey })`,
}

for (const [name, statement] of Object.entries(told)) {
  test(`a secret ${name} is a failure, which does not tell it`, async () => {
    const result = await resultOf(
      `${head}
      import { spawnSync } from 'node:child_process'
      import { testKey } from ${JSON.stringify(join(packageRoot, 'test', 'support', 'canaries.ts'))}
      test('a', () => { ${statement} })\ntest.run()`,
      { env: unmarkedEnvironment(), lookEveryMs: 200 },
    )
    assert.equal(counts(result), { passed: 1, failed: 1, skipped: 0 })
    assert.is(result.problems.length, 1)
    assert.match(result.problems.join(), /tells the API key in line \d+: .*<the API key>/)
    assert.not.match(result.problems.join() + result.output, testKey)
  })
}

test('a secret that a database has kept, or a session has run, is a failure, which does not tell it', () =>
  withEmptyDatabase(async ({ sql }) => {
    await requireNoTraceInDatabase(sql)
    await sql`create schema elsewhere`
    await sql`create table elsewhere.kept (id integer, note jsonb)`
    await sql`insert into elsewhere.kept values (1, ${sql.json({ deep: [`Bearer ${testKey}`] })})`
    await sql.reserve().then(async (one) => {
      await one.unsafe(`select '${testPassword}'`)
      const error = await requireNoTraceInDatabase(sql).catch((error) => error)
      assert.match(String(error), /in elsewhere\.kept, pg_stat_activity/)
      assert.not.match(String(error), /canary/)
      await one`select 1`
      one.release()
    })
    await sql`drop table elsewhere.kept`
  }))

test('a file that hangs is ended after the limit, with what it started, even in a session of its own', async () => {
  const folder = await folderOf({
    'hanging.test.ts': `${head}
      import { spawn } from 'node:child_process'
      import { writeFileSync } from 'node:fs'
      const child = spawn('sleep', ['300'], { detached: true, stdio: 'inherit' })
      writeFileSync('child.pid', String(child.pid))
      test('a', () => new Promise((resolve) => setTimeout(resolve, 300000)))\ntest.run()`,
  })
  const file = join(folder, 'hanging.test.ts')
  const endedAfter = (limitMs: number) => runFile(file, { cwd: folder, env: cleanEnvironment(), limitMs })
  let limitMs = 1500
  let result = await endedAfter(limitMs)
  // Where the machine is so slow that the file had not even begun, nothing has been tried yet.
  while (!existsSync(join(folder, 'child.pid')) && limitMs < amply) {
    limitMs *= 3
    result = await endedAfter(limitMs)
  }
  assert.is(result.failed, 1)
  assert.match(result.problems.join(), `still running after ${limitMs / 1000} s`)
  assert.is(await isGone(folder), true)
})

test('what a passing file leaves running is ended, and said', async () => {
  const folder = await folderOf({
    'leaving.test.ts': `${head}
      import { spawn } from 'node:child_process'
      import { writeFileSync } from 'node:fs'
      const child = spawn('sleep', ['300'], { detached: true, stdio: 'ignore' })
      child.unref()
      writeFileSync('child.pid', String(child.pid))
      test('a', () => {})\ntest.run()`,
  })
  const file = join(folder, 'leaving.test.ts')
  const result = await runFile(file, { cwd: folder, env: cleanEnvironment(), limitMs: amply })
  assert.equal(counts(result), { passed: 1, failed: 0, skipped: 0 })
  assert.match(result.notes.join(), 'left 1 processes behind')
  assert.is(await isGone(folder), true)
})

async function isGone(folder: string): Promise<boolean> {
  const pid = Number(await readFile(join(folder, 'child.pid'), 'utf8'))
  for (let attempt = 0; attempt < 50; attempt++) {
    const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
    if (!processExists(pid) || / Z /.test(state)) return true
    await sleep(20)
  }
  return false
}

test('what says SKIPPED counts as skipped, not as passed', async () => {
  const result = await resultOf(
    `${head} test('a', () => {}); test('b', () => console.log('SKIPPED: the moon (it is day)')); test.skip('c', () => {})\ntest.run()`,
  )
  assert.equal(counts(result), { passed: 1, failed: 0, skipped: 2 })
})

test('the run ends with the sum alone on the last line, and its exit status tells whether all is well', async () => {
  const good = `${head} test('a', () => {}); test('b', () => console.log('SKIPPED: b (no b)'))\ntest.run()`
  const folder = await folderOf({
    'area/good.test.ts': good,
    'bench/slow.test.ts': `${head} throw new Error('not to be run')`,
    'area/bad.test.ts': `${head} test('a', () => { throw 'string' })\ntest.run()`,
  })
  const whole = run('--folder', folder)
  assert.is(whole.lines.at(-1), '1 passed, 1 failed, 1 skipped')
  assert.is(whole.status, 1)
  const part = run('--folder', folder, 'area/good')
  assert.is(part.lines.at(-1), '1 passed, 0 failed, 1 skipped')
  assert.is(part.status, 0)
  const none = run('--folder', folder, 'nothing-of-the-kind')
  assert.is(none.lines.at(-1), '0 passed, 1 failed')
  assert.is(none.status, 1)
})

function run(...args: string[]): { lines: string[]; status: number | null } {
  const { stdout, status } = spawnSync(
    process.execPath,
    [join(packageRoot, 'test', 'run.ts'), '--no-database', ...args],
    { encoding: 'utf8' },
  )
  return { lines: stdout.trimEnd().split('\n'), status }
}

test('what failed is told once more at the end, in short, for whoever is shown the end alone', async () => {
  const folder = await folderOf({
    'one.test.ts': `${head} test('a', () => assert.is(1, 2)); test('b', () => {}); test('c', () => assert.ok(false, 'no c'))\ntest.run()`,
    'two.test.ts': `${head} test('d', () => process.exit(0))\ntest.run()`,
  })
  const { lines } = run('--folder', folder)
  const end = lines.slice(lines.indexOf('What failed:')).join('\n')
  assert.match(end, /FAILED \S*one\.test\.ts\n/)
  assert.match(end, /FAIL {2}"a"\n.*Expected values to be strictly equal/)
  assert.match(end, /FAIL {2}"c"\n.*no c/)
  assert.match(end, /FAILED \S*two\.test\.ts\n.*it ended before uvu did/)
  assert.not.match(end, 'node_modules')
})

test("a test's environment has nothing of the user's databases, keys and settings", () => {
  const env = cleanEnvironment(
    { PGFIGI_HOME: '/tmp/home' },
    {
      PATH: '/bin',
      DATABASE_URL: 'x',
      DATABASE_READ_URL: 'x',
      OPENFIGI_API_KEY: 'x',
      PGFIGI_HOME: 'x',
      PGHOST: 'x',
      NO_COLOR: '1',
      PGFIGI_TEST_MARK_1: '1',
    },
  )
  assert.equal(env, { PATH: '/bin', PGFIGI_TEST_MARK_1: '1', PGFIGI_HOME: '/tmp/home' })
})

test('Ctrl-C ends the run as a failure, with nothing left behind', async () => {
  const folder = await folderOf({
    'long.test.ts': `${head}
      import { writeFileSync } from 'node:fs'
      writeFileSync(new URL('begun', import.meta.url), '')
      test('a', () => new Promise((resolve) => setTimeout(resolve, 300000)))\ntest.run()`,
  })
  const runner = execFile(process.execPath, [
    join(packageRoot, 'test', 'run.ts'),
    '--no-database',
    '--folder',
    folder,
  ])
  let output = ''
  runner.stdout?.on('data', (chunk) => {
    output += chunk
  })
  const closed = once(runner, 'close')
  await until('the file has begun', () => existsSync(join(folder, 'begun')), 100)
  runner.kill('SIGINT')
  const [status] = await closed
  assert.is(status, 1)
  assert.match(output, 'interrupted')
})

test.run()
