import { readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { cleanEnvironment } from './clean_environment.ts'
import { packageRoot, removeHome } from './cluster.ts'
import { type Server, startCluster } from './run_clusters.ts'
import { type FileResult, runFile } from './run_file.ts'
import { makeRunFolder, makeTestFolder } from './run_folder.ts'

export interface TestRunOptions {
  /** How long a file may take. */
  readonly limitMs: number
  /** Files that run at the same time. */
  readonly atOnce: number
  /** For the tests, beside what every run gives them. */
  readonly environment?: Readonly<Record<string, string>>
}

const ALONE = /^\/\/ runs alone/m

/** One run of test files: it prints what becomes of each and counts. Ended by signals; disposing of it deletes its folder. */
export class TestRun implements AsyncDisposable {
  readonly count = { passed: 0, failed: 0, skipped: 0 }
  readonly #options: TestRunOptions
  readonly #folder: string
  readonly #interrupted = new AbortController()
  readonly #failures: string[] = []

  static async start(options: TestRunOptions): Promise<TestRun> {
    return new TestRun(options, await makeRunFolder())
  }

  private constructor(options: TestRunOptions, folder: string) {
    this.#options = options
    this.#folder = folder
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => this.#interrupted.abort())
    }
  }

  get isInterrupted(): boolean {
    return this.#interrupted.signal.aborted
  }

  /** Runs the files against a throwaway cluster of the server's, or against none, and hands on each result. */
  async files(
    files: readonly string[],
    server: Server | null,
    onResult: (file: string, result: FileResult) => void = () => {},
  ): Promise<void> {
    await using cluster = server && (await startCluster(server, this.#folder))
    if (server) console.log(`\n${files.length} files on ${server.title}`)
    const sources = new Map(
      await Promise.all(files.map(async (file) => [file, await readFile(file, 'utf8')] as const)),
    )
    const alone = files.filter((file) => ALONE.test(sources.get(file) ?? ''))
    const together = files.filter((file) => !alone.includes(file))
    const run = async (queue: string[]) => {
      for (let file = queue.shift(); file && !this.isInterrupted; file = queue.shift())
        onResult(file, await this.#file(file, cluster?.url))
    }
    await Promise.all(Array.from({ length: this.#options.atOnce }, () => run(together)))
    await run(alone)
    for (const trace of (await cluster?.traces()) ?? []) this.fail(trace)
  }

  skip(what: string): void {
    this.count.skipped++
    console.log(`\nSKIPPED: ${what}`)
  }

  fail(problem: string): void {
    this.count.failed++
    this.#failures.push(`FAILED ${problem}`)
    console.log(`FAILED ${problem}`)
  }

  /** Prints once more, in short, what failed, for whoever is shown the end alone, and the sum; the exit status of the run. */
  end(): 0 | 1 {
    if (this.isInterrupted) this.fail('interrupted')
    if (this.#failures.length > 0) console.log(`\nWhat failed:\n${this.#failures.join('\n')}`)
    const { passed, failed, skipped } = this.count
    console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
    return failed > 0 ? 1 : 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeHome(this.#folder)
  }

  async #file(file: string, url: string | undefined): Promise<FileResult> {
    const { limitMs, environment } = this.#options
    const folder = await makeTestFolder(this.#folder)
    const env = cleanEnvironment({
      TMPDIR: folder,
      // A process starts in less than half the time where what it reads has been compiled by another.
      NODE_COMPILE_CACHE: join(this.#folder, 'compiled'),
      PGFIGI_HOME: join(folder, 'home'),
      ...(url ? { PGFIGI_TEST_DATABASE_URL: url } : {}),
      ...environment,
    })
    const signal = this.#interrupted.signal
    const result = await runFile(file, { env, cwd: packageRoot, limitMs, signal })
    await removeHome(join(folder, 'home'))
    this.#report(file, result)
    return result
  }

  #report(file: string, result: FileResult): void {
    this.count.passed += result.passed
    this.count.failed += result.failed
    this.count.skipped += result.skipped
    const verdict = result.failed > 0 ? 'FAILED' : 'ok    '
    console.log(
      `${verdict} ${relative(packageRoot, file)}  ${result.passed} passed  ${result.seconds.toFixed(1)} s`,
    )
    for (const note of result.notes) console.log(`       note: ${note}`)
    for (const problem of result.problems) console.log(`       ${problem}`)
    if (result.failed > 0) {
      this.#failures.push(`FAILED ${relative(packageRoot, file)}\n${inShort(result)}`)
      console.log(indented(result.output.trim()))
    } else for (const line of result.output.match(/\bSKIPPED: .+/g) ?? []) console.log(`       ${line}`)
  }
}

const linesInShort = 8

/** What uvu says of each test that failed, without the way there; the last lines where it says nothing. */
function inShort({ output, problems }: FileResult): string {
  const told = [...output.matchAll(/^ *FAIL .*\n(?:(?! *FAIL | +at | {2}Total:).*\n)*/gm)].map(([text]) =>
    text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(0, linesInShort)
      .join('\n'),
  )
  if (told.length > 0) return indented(told.join('\n'))
  return indented([...problems, ...output.trim().split('\n').slice(-linesInShort)].join('\n'))
}

function indented(text: string): string {
  return text.replace(/^/gm, '       | ')
}
