import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { processExists } from '../../src/processes.ts'
import { requireNoTrace, testKey } from '../support/canaries.ts'
import { cleanEnvironment } from '../support/clean_environment.ts'
import { makeClusterHome, packageRoot, removeHome } from '../support/cluster.ts'
import { type TestDatabase, withDatabase } from '../support/database.ts'
import { type Simulator, type SimulatorOptions, startSimulator } from '../support/openfigi_simulator.ts'
import { until } from '../support/until.ts'

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  /** Another program than this checkout's. */
  readonly main?: string
  readonly nodeOptions?: readonly string[]
  /** What to put before it, as `nsenter` with its options. */
  readonly inside?: readonly string[]
  /** A file to write to instead of a pipe. */
  readonly stdout?: number
}

export interface Running {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>
  readonly ended: Promise<Ended>
  /** Waits until it is so; fails with what was printed where the process ends before, or it takes too long. */
  until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void>
  /** Likewise until so much has been printed, on whichever stream. */
  printed(text: string): Promise<void>
  /** Waits for a line of stdout of that form; its first group. */
  firstLine(form: RegExp): Promise<string>
}

/** Enough for the slowest: an embedded database that is made, started and migrated while other tests take both cores. */
const patienceSeconds = 100

/** Loading TypeScript anew for every command would take most of the time. */
const compileCache = process.env.NODE_COMPILE_CACHE ?? join(tmpdir(), 'pgfigi-compile-cache')

/** `pgfigi` as a process, with nothing in its environment but what the test says. */
export function start(args: readonly string[], options: RunOptions = {}): Running {
  const main = options.main ?? join(packageRoot, 'src', 'cli', 'main.ts')
  const whole = [
    ...(options.inside ?? []),
    ...[process.execPath, ...(options.nodeOptions ?? []), main, ...args],
  ]
  const child = spawn(whole[0] as string, whole.slice(1), {
    cwd: tmpdir(), // where there is no .env
    env: cleanEnvironment({ NODE_COMPILE_CACHE: compileCache, ...options.env }),
    stdio: ['pipe', options.stdout ?? 'pipe', 'pipe'],
  }) as Running['child']
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (chunk: string) => {
      output[name] += chunk
    })
  }
  child.stdin.on('error', () => {}) // it may end without reading
  let hasClosed = false // and all that it printed is here
  const ended = once(child, 'close').then(([code]): Ended => {
    hasClosed = true
    requireNoTrace(`pgfigi ${args[0]} on stderr`, output.stderr)
    // It is there to say the password.
    if (args[0] !== 'psql-url') requireNoTrace(`pgfigi ${args[0]} on stdout`, output.stdout)
    return { code, ...output }
  })
  const untilSo: Running['until'] = async (what, isSo) => {
    const isSoYet = async () => {
      const before = hasClosed
      if (await isSo()) return true
      if (before) throw new Error(`it ended before: ${what}`)
      return false
    }
    await until(what, isSoYet, patienceSeconds).catch(({ message }) => {
      throw new Error(`${message}\n${output.stdout}${output.stderr}`)
    })
  }
  const printed = (text: string) =>
    untilSo(`'${text}' is printed`, () => output.stdout.includes(text) || output.stderr.includes(text))
  const firstLine = async (form: RegExp) => {
    const found = () =>
      output.stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => form.exec(line)?.[1])
        .find((group) => group !== undefined)
    await untilSo(`a line is printed of the form ${form}`, () => found() !== undefined)
    return found() ?? ''
  }
  return { child, ended, until: untilSo, printed, firstLine }
}

export async function run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { child, ended } = start(args, options)
  child.stdin.end(options.input ?? '')
  return ended
}

/** The lines of a text as JSON. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

export interface Installation extends TestDatabase {
  readonly openfigi: Simulator
  /** What pgfigi needs to use both. */
  readonly env: Record<string, string>
}

/** A migrated database and a simulator of their own. */
export async function withInstallation(
  work: (installation: Installation) => Promise<void>,
  options: SimulatorOptions = {},
): Promise<void> {
  const openfigi = await startSimulator(options)
  try {
    await withDatabase(async (database) => {
      const env = {
        DATABASE_URL: database.url,
        OPENFIGI_API_URL: openfigi.url,
        OPENFIGI_API_KEY: testKey,
      }
      await work({ ...database, openfigi, env })
    })
  } finally {
    await openfigi.close()
  }
}

/** A folder for an embedded database, deleted after; whatever still runs in it is killed. */
export async function withHome(work: (home: string) => Promise<void>): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'home-'))
  await makeClusterHome(home)
  try {
    await work(home)
  } finally {
    const server = await serverOf(home)
    try {
      if (server !== null) process.kill(server, 'SIGKILL')
    } catch {} // it has just ended by itself
    await removeHome(home)
  }
}

/** The process of a home's PostgreSQL, if it runs. */
export async function serverOf(home: string): Promise<number | null> {
  const pid = Number.parseInt(
    await readFile(join(home, 'data', 'postmaster.pid'), 'utf8').catch(() => ''),
    10,
  )
  return processExists(pid) ? pid : null
}
