/**
 * `npm run demo`: pgfigi at work on simulated data, on a database that is thrown away.
 * `npm run demo -- --stay` keeps it running until Ctrl-C, to be looked at with psql.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs, styleText } from 'node:util'
import postgres from 'postgres'
import { Interruption } from '../src/cli/interruption.ts'
import { aborted, interruptionSignal } from '../src/cli/signals.ts'
import { packageRoot } from '../src/package_root.ts'
import { cleanEnvironment } from '../test/support/clean_environment.ts'
import { makeHome, removeHome } from '../test/support/cluster.ts'
import {
  knownSecurities as known,
  type Simulator,
  startSimulator,
} from '../test/support/openfigi_simulator.ts'

const unknown = '999999105'
const portfolio = [
  [known.apple.key, 'a stock'],
  [known.microsoft.isin, 'the same kind of thing by its ISIN'],
  [known.berkshire.key, 'a class of shares'],
  [known.spy.key, 'a fund'],
  [known.toyota.key, 'a depositary receipt'],
  [known.sap.isin, 'a foreign stock: no listing in the US'],
  [known.cayman.key, 'a CINS, for what is neither of the US nor of Canada'],
  [known.bond.key, 'a bond'],
  [known.ambiguous.key, 'two listings that might be meant'],
  [unknown, 'unknown to OpenFIGI: a negative, kept for 60 days'],
  ['037833109', 'a wrong check digit'],
] as const

const { stay } = parseArgs({ options: { stay: { type: 'boolean', default: false } } }).values
const signal = interruptionSignal()
const started: ChildProcess[] = []

const simulator = await startSimulator({ latencyMs: 300 })
simulator.set(unknown, 'unknown')
const folder = await mkdtemp(join(tmpdir(), 'pgfigi-demo-'))
const home = join(folder, 'home')
try {
  await makeHome(folder)
  await makeHome(home)
  await demo(simulator)
} catch (error) {
  if (!(signal.reason instanceof Interruption)) throw signal.reason ?? error
} finally {
  for (const child of started) await ended(child)
  await simulator.close()
  await removeHome(home)
  await removeHome(folder)
}
process.exit(signal.aborted && !stay ? 130 : 0)

async function demo(openfigi: Simulator): Promise<void> {
  say(
    'These data are simulated: names and tickers are well known, the rest is invented, nothing leaves this machine.',
  )

  title('pgfigi start')
  const service = pgfigi(openfigi, ['start'], { stdio: ['ignore', 'pipe', 'inherit'] })
  await readyLine(service)

  title(`pgfigi resolve ${portfolio.map(([value]) => value).join(' ')}`)
  for (const [value, what] of portfolio) say(`${value.padEnd(14)}${what}`)
  say('')
  await succeeded(
    pgfigi(openfigi, ['resolve', ...portfolio.map(([value]) => value)], {
      stdio: ['ignore', 'inherit', 'inherit'],
    }),
  )

  const url = pgfigi(openfigi, ['psql-url'], { stdio: ['ignore', 'pipe', 'inherit'] })
  await inSql((await text(url.stdout as NodeJS.ReadableStream)).trim())

  title('pgfigi stats')
  await succeeded(pgfigi(openfigi, ['stats'], { stdio: ['ignore', 'inherit', 'inherit'] }))

  if (!stay) return
  say(
    `\nIt stays up until Ctrl-C. To look at it, in this folder:\n  psql "$(PGFIGI_HOME=${home} npm run -s pgfigi -- psql-url)"`,
  )
  await Promise.race([aborted(signal), once(service, 'exit')])
}

/** The same from SQL: nobody waits for the first answer, and the worker fetches what is missing. */
async function inSql(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    for (let status = ''; status !== 'hit' && !signal.aborted; await sleep(status === 'hit' ? 0 : 1000)) {
      title(`psql: select ticker, status, name from resolve_mapping('CUSIP', '${known.ibm.key}');`)
      const startedAt = performance.now()
      const [row] = await sql`select ticker, status, name from resolve_mapping('CUSIP', ${known.ibm.key})`
      status = row?.status
      say(
        `${row?.ticker ?? '(no ticker yet)'} | ${status} | ${row?.name ?? ''}   (${(performance.now() - startedAt).toFixed(1)} ms)`,
      )
    }
  } finally {
    await sql.end()
  }
}

/** A command as a user would run it, with nothing of this user's settings. */
function pgfigi(openfigi: Simulator, args: readonly string[], options: SpawnOptions): ChildProcess {
  const { NO_COLOR, FORCE_COLOR } = process.env
  const colours = { ...(NO_COLOR ? { NO_COLOR } : {}), ...(FORCE_COLOR ? { FORCE_COLOR } : {}) }
  const settings = {
    PGFIGI_HOME: home,
    OPENFIGI_API_URL: openfigi.url,
    OPENFIGI_API_KEY: 'demo',
    LOG_LEVEL: 'warn',
  }
  const env = cleanEnvironment({ ...settings, ...colours })
  const main = join(packageRoot, 'src', 'cli', 'main.ts')
  const child = spawn(process.execPath, [main, ...args], { ...options, cwd: folder, env })
  started.push(child)
  return child
}

/** Passes on what `start` prints until it is ready. */
async function readyLine(service: ChildProcess): Promise<void> {
  for await (const line of createInterface({ input: service.stdout as NodeJS.ReadableStream })) {
    say(line)
    if (line === 'Ready.') return
  }
  throw new Error('pgfigi start ended before it was ready')
}

async function succeeded(child: ChildProcess): Promise<void> {
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`${child.spawnargs.slice(2).join(' ')} ended with ${code}`)
}

/** Asks a command to stop, as Ctrl-C does, and waits until it has. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGINT')
  await exit
}

function title(command: string): void {
  say(`\n${styleText('bold', `$ ${command}`, { stream: process.stdout })}`)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
