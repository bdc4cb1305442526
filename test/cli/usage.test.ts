import { openSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run, start } from './pgfigi.ts'

const commands = [
  'start',
  'resolve',
  'history',
  'changes',
  'export',
  'stats',
  'refresh',
  'clear',
  'migrate',
  'migrate up',
  'migrate down',
  'migrate status',
  'migrate history',
  'migrate new',
  'worker',
  'serve',
  'psql-url',
]

test('every command has help with an example, on stdout, whatever is in the environment', async () => {
  const env = { OPENFIGI_RATE_LIMIT: 'nonsense' }
  const helps = await Promise.all(commands.map((command) => run([...command.split(' '), '--help'], { env })))
  for (const [place, { code, stdout, stderr }] of helps.entries()) {
    assert.is(code, 0, commands[place])
    assert.match(stdout, `Usage: pgfigi ${commands[place]} `)
    assert.match(stdout, /Examples?:\n {2}\$ .*pgfigi/)
    assert.is(stderr, '')
  }
})

test('wrong usage is exit code 2 and a sentence on stderr', async () => {
  const calls = [
    ['nonsense'],
    [],
    ['migrate'],
    ['resolve', '--nonsense', '037833100'],
    ['resolve', '--type', 'SEDOL', '037833100'],
    ['resolve', '--max-age', 'old', '037833100'],
    ['resolve', '--as-of', 'yesterday', '037833100'],
    ['resolve', '--as-of', '2021-02-30', '037833100'],
    ['resolve', '--as-of', '2021-03-09T14:00:00', '037833100'],
    ['history'],
    ['export', '--format', 'xlsx'],
    ['export', '--format', 'dump', '--history'],
    ['export', '--as-of', '2021-03-09', '--history'],
    ['export', '--output', '/there/is/none.csv'],
    ['export', '--output', '/tmp'],
    ['changes', '--since', '3 days'],
    ['history', '--type', 'SEDOL', '037833100'],
    ['resolve', '--file', '/there/is/none'],
    ['resolve', '--file', '/'],
    ['resolve', '--file', '/there/is/none', '037833100'],
    ['refresh', '--max-rows', '0'],
    ['stats', 'of', 'what'],
    ['clear'],
    ['serve', '--port', '65536'],
    ['serve', '--host', '0.0.0.0'],
    ['start', '--host', '0.0.0.0'],
  ]
  const ends = await Promise.all(calls.map((call) => run(call)))
  for (const [place, { code, stdout, stderr }] of ends.entries()) {
    const call = calls[place]?.join(' ')
    assert.is(code, 2, call)
    assert.is(stdout, '', call)
    assert.ok(stderr.length > 10, call)
    assert.not.match(stderr, /\n\s+at /)
  }
})

test('all faults of the environment are told together, exit code 2, before anything is done', async () => {
  const env = {
    DATABASE_URL: 'mysql://user:hunter2secret@host/db',
    OPENFIGI_API_KEY: 'a key with blanks',
    OPENFIGI_RATE_LIMIT: '25',
    LOG_LEVEL: 'loud',
  }
  const { code, stdout, stderr } = await run(['stats'], { env })
  assert.is(code, 2)
  assert.is(stdout, '')
  for (const name of Object.keys(env)) assert.match(stderr, name)
  assert.not.match(stderr, 'hunter2secret')
  assert.not.match(stderr, 'a key with blanks')
})

test('output that cannot be written is a failure', async () => {
  if (process.platform !== 'linux') return
  const { child, ended } = start(['psql-url'], {
    env: { DATABASE_URL: 'postgres://user@host/db' },
    stdout: openSync('/dev/full', 'w'),
  })
  child.stdin.end()
  const { code, stderr } = await ended
  assert.is(code, 1)
  assert.match(stderr, /^error: The output cannot be written: ENOSPC/)
})

test('what nobody has caught is a sentence and a failure, too', async () => {
  const thrower = `process.on('newListener', (name) => {
    if (name === 'uncaughtException') setTimeout(() => { throw new Error('out of the blue') }, 300)
  })`
  const { ended } = start(['resolve', '-'], {
    env: { DATABASE_URL: 'postgres://user@127.0.0.1:1/none' },
    nodeOptions: ['--import', `data:text/javascript,${encodeURIComponent(thrower)}`],
  }) // which waits for its stdin
  const { code, stderr } = await ended
  assert.is(code, 1)
  assert.match(
    stderr,
    /^error: Something unexpected happened: out of the blue\. LOG_LEVEL=debug shows where\.$/m,
  )
  assert.not.match(stderr, /^\s+at /m)
})

test('--version prints the version', async () => {
  const { code, stdout } = await run(['--version'])
  assert.is(code, 0)
  assert.match(stdout, /^\d+\.\d+\.\d+/)
})

test.run()
