import { type Command, CommanderError, type Option } from 'commander'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Context } from '../../src/cli/context.ts'
import { createProgram } from '../../src/cli/program.ts'
import { run } from '../cli/pgfigi.ts'
import { isAtLength } from '../support/at_length.ts'

/** What no option with a form of its own takes. */
const never = ['x', '-1', 'NaN', '1e9', '٣', '1\n', '9'.repeat(400), '\u202e', '--', '1;2']

/** Options that take any text, and what then becomes of it. */
const anyText = new Set([
  ...['import --observed-at', 'import --rejects', 'resolve --file', 'enrich --column', 'enrich --output'],
  ...['enrich --as-of-column', 'export --output', 'warm --query', 'warm --column'],
])

/** What is wrong for an option besides; a new option that takes a value and is neither here nor above fails. */
const wrong: Readonly<Record<string, readonly string[]>> = {
  'resolve --type': ['', 'CUSIPS', 'FIGI'],
  'resolve --max-age': ['', '36501', 'Infinity', '1,5', '0x10'],
  'resolve --as-of': ['', '2021-02-30', '2021-03-09T14:30:00', '03/09/2021', 'now'],
  'history --type': ['', 'FIGI'],
  'changes --since': ['', '7y', '2021-02-30', '123456d', '7 d'],
  'enrich --as-of': ['', '2021-13-01', 'yesterday'],
  'export --format': ['', 'xlsx', 'CSV'],
  'export --as-of': ['', '2021-13-01'],
  'health --fail-on': ['', 'ok', 'never'],
  'refresh --max-rows': ['', '1.5', '-5', '99999999999999999999'],
  'import --type': ['', 'FIGI'],
  'start --port': ['', '65536', '80a', '0x50'],
  'start --host': ['a b', 'h\n', 'h/x', '[::1]', '"'],
  'serve --port': ['', '65536', '80a'],
  'serve --host': ['a b', 'h\n', '"'],
}

interface Flag {
  readonly path: readonly string[]
  readonly option: Option
  readonly name: string
}

/** The commands as the program has them, none of which does anything. */
function program(): { root: Command; said: () => string } {
  let text = ''
  const context = { config: () => assert.unreachable('it ran') } as unknown as Context
  const root = createProgram(context)
  const tame = (command: Command) => {
    command.configureOutput({ writeErr: (some) => (text += some), writeOut: () => {} })
    command.action(() => {})
    command.commands.forEach(tame)
  }
  tame(root)
  return { root, said: () => text }
}

function flags(command: Command, path: readonly string[] = []): Flag[] {
  return [
    ...command.options.map((option) => ({ path, option, name: [...path, option.long].join(' ') })),
    ...command.commands.flatMap((inner) => flags(inner, [...path, inner.name()])),
  ]
}

const valued = flags(program().root).filter(({ option }) => option.required || option.optional)

test('every option with a value has its wrong ones here', () => {
  const known = [...anyText, ...Object.keys(wrong)]
  assert.equal(
    valued.map(({ name }) => name).filter((name) => !known.includes(name)),
    [],
  )
  assert.equal(
    known.filter((name) => !valued.some((flag) => flag.name === name)),
    [],
  )
})

function outcomeOf(words: readonly string[]): { error: unknown; said: string } {
  const { root, said } = program()
  try {
    root.parse(words, { from: 'user' })
    return { error: null, said: said() }
  } catch (error) {
    return { error, said: said() }
  }
}

for (const { path, option, name } of valued.filter(({ name }) => !anyText.has(name)))
  test(`${name}: what is out of range is wrong usage, told with the option's name and what it takes`, () => {
    const isHost = name.endsWith('--host')
    for (const value of [...(isHost ? ['\u202e', '1\n', '1;2'] : never), ...(wrong[name] ?? [])]) {
      const { error, said } = outcomeOf([
        ...path,
        `${option.long}=${value}`,
        ...(path[0] === 'import' || path[0] === 'history' ? ['x'] : []),
      ])
      assert.instance(error, CommanderError, `${JSON.stringify(value)} was taken`)
      assert.is((error as CommanderError).code, 'commander.invalidArgument', value)
      assert.ok(said.includes(String(option.long)), said)
      assert.match(said, /It is|Allowed choices are/)
      assert.ok(said.length < 1_000, `${said.length} characters`)
      assert.not.match(said, /\n\s+at |(?!\n)\p{Cc}/u)
    }
  })

test('flags that there are not, and too many words, are wrong usage', () => {
  for (const command of program().root.commands) {
    const { error } = outcomeOf([command.name(), '--no-such-flag'])
    assert.is((error as CommanderError).exitCode, 1, command.name())
  }
})

test('as a process: exit code 2, a line on stderr, nothing on stdout', async () => {
  const cases: readonly (readonly string[])[] = [
    ['resolve', '--max-age=NaN', '037833100'],
    ...(isAtLength
      ? [
          ['import', '--observed-at', 'yesterday', '/dev/null'],
          ['import', '--observed-at', '2999-01-01', '/dev/null'],
          ['enrich', '--as-of', '2021-01-01', '--as-of-column', 'x', '/dev/null'],
          ['resolve', '--file', '/nowhere\n/x'],
          ['resolve', '--file', '/tmp'],
          ['nothing'],
        ]
      : []),
  ]
  for (const words of cases) {
    const { code, stdout, stderr } = await run(words)
    assert.is(code, 2, `${words.join(' ')}: ${stderr}`)
    assert.is(stdout, '')
    assert.match(stderr, /^error: /)
    assert.not.match(stderr, /\n\s+at /)
  }
})

test('settings as a process: all faults together, exit code 2, and no secret', async () => {
  const env = {
    DATABASE_URL: 'postgres://u:hunter2-hunter2@h:99999/d',
    OPENFIGI_API_KEY: 'hunter2\nhunter2',
    PGFIGI_MAX_CONNECTIONS: '-1',
    LOG_LEVEL: 'loud',
  }
  const { code, stdout, stderr } = await run(['stats'], { env })
  assert.is(code, 2)
  assert.is(stdout, '')
  for (const name of Object.keys(env)) assert.is(stderr.split(name).length, 2, `${name} once in ${stderr}`)
  assert.not.match(stderr, /hunter2|\n\s+at /)
})

test.run()
