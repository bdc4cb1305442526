import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withFolder } from '../import/reading.ts'
import { cleanEnvironment } from '../support/clean_environment.ts'
import { packageRoot } from '../support/cluster.ts'
import { makeCusips } from '../support/identifiers_maker.ts'
import { knownSecurities as known } from '../support/openfigi_simulator.ts'
import { run, withInstallation } from './pgfigi.ts'

const script = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0

/** What a command writes to a terminal; `script` gives it one, with what is typed, once it has written something. */
async function onTerminal(
  args: string,
  env: Record<string, string>,
  typed = '',
  after = /^/,
): Promise<{ code: number | null; output: string }> {
  // No shell stays in between: each has its own way with Ctrl-C.
  const command = `stty cols 120 rows 40; exec ${process.execPath} ${join(packageRoot, 'src/cli/main.ts')} ${args}`
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    // A terminal that shows colours, whatever runs this test has.
    env: { ...cleanEnvironment(env), TERM: 'xterm-256color', SHELL: '/bin/sh', CI: undefined },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  let output = ''
  const type = () => {
    if (!child.stdin.writableEnded && after.test(output)) child.stdin.end(typed)
  }
  type()
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk
    type()
  })
  const [code] = await once(child, 'close')
  return { code, output: output.replaceAll('\r', '') }
}

const emptyLine = '\x1b[2K'

/** What is left on the terminal in the end: a bar, which comes where it takes half a second, stands in a line that is emptied. */
function leftOf(output: string): string {
  const lines = output.split('\n')
  return lines.map((line) => line.split(emptyLine).at(-1)).join('\n')
}

function skipped(): boolean {
  if (!script) console.log('SKIPPED: what is shown on a terminal (there is no program `script`)')
  return !script
}

test('on a terminal resolve shows a table in colour, and says where another listing might be meant', async () => {
  if (skipped()) return
  await withInstallation(async ({ env }) => {
    await run(['resolve', '037833100', known.ambiguous.key], { env })
    const { code, output } = await onTerminal(`resolve 037833100 ${known.ambiguous.key} 037833109`, env)
    assert.is(code, 0)
    assert.match(output, '\x1b[32mhit\x1b[39m')
    const lines = stripVTControlCharacters(leftOf(output)).split('\n')
    assert.match(lines[0] ?? '', /^identifier {4}ticker {12}status {4}name {38}exchange {2}since$/)
    assert.match(lines[1] ?? '', /^037833100 {5}AAPL {14}hit {7}APPLE INC {33}US {8}\d{4}-\d\d-\d\d$/)
    assert.match(lines[2] ?? '', /DUO\/[AB] \(1 of 2\)/)
    assert.match(lines[3] ?? '', /^037833109 +invalid$/)
  })
})

test('on a terminal health shows the worst check first, in colour', async () => {
  if (skipped()) return
  await withInstallation(async ({ env, sql }) => {
    await sql`select figi_private.block_api_budget('b', '20 minutes')`
    const { code, output } = await onTerminal('health', env)
    assert.is(code, 1)
    assert.match(output, '\x1b[31mfail  \x1b[39mbudget_blocked')
    const lines = stripVTControlCharacters(output).split('\n')
    assert.match(lines[0] ?? '', /^fail {2}budget_blocked {2}1,\d\d\d(\.\d)? s$/)
    assert.match(lines[1] ?? '', /^ {6}Nothing is sent to OpenFIGI for another (19|20) min\./)
    assert.match(lines[2] ?? '', /^warn {2}worker_seen {5}-$/)
    assert.match(lines[4] ?? '', /^ok {4}laws {12}0 broken laws$/)
  })
})

test('NO_COLOR leaves the table without colours', async () => {
  if (skipped()) return
  await withInstallation(async ({ env }) => {
    await run(['resolve', '037833100'], { env })
    const { output } = await onTerminal('resolve 037833100', { ...env, NO_COLOR: '1' })
    assert.match(leftOf(output), /^identifier/)
    assert.not.match(output, '\x1b[3')
  })
})

test('clear asks on a terminal, and only y clears', async () => {
  if (skipped()) return
  await withInstallation(async ({ env, sql }) => {
    await sql`select upsert_mapping('CUSIP', '037833100', 'AAPL')`
    const declined = await onTerminal('clear', env, '\n')
    assert.is(declined.code, 1)
    assert.match(declined.output, 'Close the one current mapping? The history is kept. (y/N)')
    assert.match(declined.output, 'Nothing was changed.')
    const agreed = await onTerminal('clear', env, 'y\n')
    assert.is(agreed.code, 0)
    assert.match(agreed.output, 'Closed 1 mapping.')
  })
})

/** A file of so many holdings, and OpenFIGI at that limit. */
function withHoldings(
  count: number,
  limit: string,
  work: (file: string, env: Record<string, string>) => Promise<void>,
): Promise<void> {
  return withInstallation(({ env }) =>
    withFolder(async (folder) => {
      const file = join(folder, 'holdings.txt')
      await writeFile(file, makeCusips(0, count).join('\n'))
      await work(file, { ...env, OPENFIGI_RATE_LIMIT: limit })
    }),
  )
}

test('enrich shows how long the limit takes for what is still to be fetched', async () => {
  if (skipped()) return
  await withHoldings(200, '1/700ms', async (file, env) => {
    const { code, output } = await onTerminal(`enrich ${file} -o ${file}.out`, env)
    assert.is(code, 0)
    assert.match(output, /\d+ to fetch: about \d s at OpenFIGI's limit/)
    assert.match(output, /Wrote 200 rows to .*, 200 fetched;/)
  })
})

test('Ctrl-C on a terminal ends a command in the middle, and leaves the line as it was', async () => {
  if (skipped()) return
  await withHoldings(1000, '1/1500ms', async (file, env) => {
    const { code, output } = await onTerminal(`enrich ${file} -o ${file}.out`, env, '\x03', / to fetch/)
    assert.is(code, 130)
    const [bar = '', rest] = output.split('^C')
    assert.match(bar, '\x1b[?7l', 'lines are not broken while there is a bar')
    assert.ok(rest?.includes('\x1b[?7h'), 'and are again')
    assert.match(stripVTControlCharacters(leftOf(rest ?? '')), /^(Stopping: .*\n)?$/)
  })
})

test.run()
