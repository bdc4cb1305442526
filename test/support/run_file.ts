import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { stripVTControlCharacters } from 'node:util'
import { tellingProcesses, traceIn, withoutTraces } from './canaries.ts'
import { endMarked, isMarked, newMark } from './leftovers.ts'

export interface FileResult {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** What is wrong with the file, where something is. */
  readonly problems: string[]
  readonly notes: string[]
  readonly output: string
  readonly seconds: number
}

export interface RunFileOptions {
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
  readonly limitMs: number
  readonly signal?: AbortSignal
  /** How often it is looked whether its processes tell a secret. */
  readonly lookEveryMs?: number
}

interface Ended {
  readonly output: string
  /** What it wrote to stdout alone, where the summary stands in one piece. */
  readonly stdout: string
  readonly code: number | null
  readonly ending: NodeJS.Signals | null
  readonly late: boolean
  /** Command lines of its processes that say a secret. */
  readonly telling: readonly string[]
}

/** Often enough to meet what lives for a second; looking takes some milliseconds. */
const usualLookMs = 1000

/** Runs one test file in a process of its own, and believes nothing but a complete summary of uvu's. */
export async function runFile(file: string, options: RunFileOptions): Promise<FileResult> {
  const started = performance.now()
  const mark = newMark()
  const ended = await runProcess(file, mark, options)
  const leftovers = await endMarked(mark)
  const source = await readFile(file, 'utf8')
  const notes =
    leftovers.size > 0 && !ended.late
      ? [
          `it left ${leftovers.size} processes behind, which were ended: ${[...leftovers.values()].join('; ')}`,
        ]
      : []
  return { ...judge(ended, source, options.limitMs), notes, seconds: (performance.now() - started) / 1000 }
}

function runProcess(
  file: string,
  mark: string,
  { env, cwd, limitMs, signal, lookEveryMs = usualLookMs }: RunFileOptions,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [file], {
      cwd,
      env: { ...env, [mark]: '1' },
      detached: true, // a group of its own, to be killed as one
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    let stdout = ''
    let late = false
    child.stdout.on('data', (chunk: string) => {
      stdout += chunk
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (chunk: string) => {
        output += chunk
      })
    }
    const kill = () => void endMarked(mark)
    const telling = new Set<string>()
    const looking = setInterval(() => {
      for (const { pid, commandLine } of tellingProcesses())
        if (isMarked(pid, mark)) telling.add(traceIn(commandLine) ?? '')
    }, lookEveryMs)
    const timer = setTimeout(() => {
      late = true
      kill()
    }, limitMs)
    signal?.addEventListener('abort', kill)
    const finish = () => {
      clearTimeout(timer)
      clearInterval(looking)
      signal?.removeEventListener('abort', kill)
    }
    child.on('error', (error) => {
      finish()
      reject(error)
    })
    // 'exit', not 'close': a server that the test left behind may hold its output open for ever.
    child.on('exit', (code, ending) => {
      finish()
      setTimeout(
        () =>
          resolve({
            output: stripVTControlCharacters(output),
            stdout: stripVTControlCharacters(stdout),
            code,
            ending,
            late,
            telling: [...telling],
          }),
        30,
      )
    })
  })
}

function judge(
  { output, stdout, code, ending, late, telling }: Ended,
  source: string,
  limitMs: number,
): Omit<FileResult, 'notes' | 'seconds'> {
  const summary = [...stdout.matchAll(/^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)$/gm)].at(
    -1,
  )
  const [total = 0, ran = 0, left = 0] = summary?.slice(1).map(Number) ?? []
  const absent = output.match(/\bSKIPPED: .+/g)?.length ?? 0
  const trace = traceIn(output)
  const problems = [
    late && `it was still running after ${limitMs / 1000} s`,
    !late &&
      !summary &&
      'it ended before uvu did: a promise that never settles, a crash, or a missing .run()',
    summary && total === 0 && 'no test ran: the file is empty, or .run() is missing',
    summary && ran < total && `${total - ran} of ${total} tests did not pass`,
    !late && ending && `it was ended by ${ending}`,
    !late && !ending && code !== 0 && `it exited with ${code}`,
    trace !== null && `what it printed tells ${trace}`,
    ...telling.map((commandLine) => `the list of processes tells ${commandLine}`),
    ...suitesNotRun(source).map((name) => `${name}.run() is missing`),
  ].filter((problem) => typeof problem === 'string')
  const failed = problems.length > 0 ? Math.max(1, total - ran) : 0
  return {
    passed: Math.max(0, ran - absent),
    failed,
    skipped: left + absent,
    problems,
    output: withoutTraces(output),
  }
}

/** A second suite without .run() would vanish without a trace in the summary. */
function suitesNotRun(source: string): string[] {
  const declared = [...source.matchAll(/^const (\w+) = suite(?:<[^(]*>)?\(/gm)].map(([, name]) => name ?? '')
  if (/^import [^\n]*\btest\b[^\n]* from 'uvu'/m.test(source)) declared.push('test')
  return declared.filter((name) => !new RegExp(`^${name}\\.run\\(\\)`, 'm').test(source))
}
