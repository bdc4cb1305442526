import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import { secretsOf, withoutSecrets } from '../../src/secrets.ts'
import { cleanEnvironment } from '../support/clean_environment.ts'
import { packageRoot } from '../support/cluster.ts'

const test = suite('the log')

const program = join(packageRoot, 'test', 'support', 'log_process.ts')
const password = 'canary "p@ss" \\ 1234'
const written = encodeURIComponent(password)
const settings = {
  OPENFIGI_API_KEY: 'canary-key-5e1f',
  DATABASE_URL: `postgres://me:${written}@127.0.0.1:1/d`,
  DATABASE_READ_URL: 'postgres://reader:canary-reading@h1:5432,h2:5433/d',
  PASSWORD_AS_IT_IS: password,
}

const hasSecret = /canary|another one|Bearer/

test('is one line of JSON an event on stderr, without secrets wherever they stand', () => {
  const { stdout, stderr } = spawnSync(process.execPath, [program], {
    env: cleanEnvironment(settings),
    encoding: 'utf8',
  })
  assert.is(stdout, '')
  const lines = stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.equal(
    lines.map(({ level }) => level),
    [30, 40, 50, 50],
  )
  assert.not.match(stderr, hasSecret)
  assert.not.match(stderr, /short|p%40w/)
  const [byName, url, failed, others] = lines
  assert.is(byName.apiKey, '[secret]')
  assert.equal(byName.nested, { password: '[secret]', headers: '[secret]' })
  assert.is(url.msg, 'connecting to postgres://me:[secret]@127.0.0.1:1/d')
  assert.is(url.conninfo.startsWith('host=h password=[secret]'), true)
  assert.is(failed.pid, 123_456)
  assert.match(failed.err.message, 'it said [secret] and [secret]')
  assert.match(failed.err.stack, 'log_process.ts')
  assert.match(others.msg, 'postgres://somebody:[secret]@h/d, postgresql://other:[secret]@h2,h3/d')
})

test('says as much as LOG_LEVEL lets it', () => {
  for (const [level, count] of [
    ['debug', 5],
    ['ERROR', 2],
    ['silent', 0],
  ] as const) {
    const { stderr } = spawnSync(process.execPath, [program], {
      env: cleanEnvironment({ ...settings, LOG_LEVEL: level }),
      encoding: 'utf8',
    })
    assert.is(stderr.split('\n').length - 1, count, level)
  }
})

test('is for people on a terminal, and as free of secrets', () => {
  if (process.platform !== 'linux' || spawnSync('script', ['--version']).status !== 0) {
    console.log('SKIPPED: the log on a terminal (there is no program `script`)')
    return
  }
  const { stdout } = spawnSync('script', ['-qec', `exec ${process.execPath} ${program}`, '/dev/null'], {
    env: cleanEnvironment({ ...settings, SHELL: '/bin/sh' }),
    encoding: 'utf8',
  })
  const lines = stripVTControlCharacters(stdout)
  assert.match(lines, /^\[\d\d:\d\d:\d\d\] WARN: connecting to postgres:\/\/me:\[secret\]@127\.0\.0\.1:1\/d/m)
  assert.not.match(lines, hasSecret)
})

test('takes a short password, or one that is the name of the user, out of URLs alone', () => {
  const config = parseConfig({
    DATABASE_URL: 'postgres://postgres:postgres@h/postgres',
    DATABASE_READ_URL: 'postgres://me:abc@h/d',
    PGFIGI_PAGE_PASSWORD: 'opens the page',
    PGFIGI_PAGE_TOKEN: 'opens-it-for-programs-0123456789',
  })
  assert.is(
    withoutSecrets(
      'postgres runs abc; postgres://postgres:postgres@h, postgres://me:abc@h',
      secretsOf(config),
    ),
    'postgres runs abc; postgres://postgres:[secret]@h, postgres://me:[secret]@h',
  )
  assert.is(
    withoutSecrets('what opens the page? opens-it-for-programs-0123456789', secretsOf(config)),
    'what [secret]? [secret]',
  )
})

test.run()
