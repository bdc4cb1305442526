import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { packageRoot } from '../support/cluster.ts'

const execute = promisify(execFile)

/** Runs promtool in that folder, with an input where it reads one; what it prints. Rejects with that where it is not content. */
export type Promtool = (args: readonly string[], input?: string) => Promise<string>

/** Runs Prometheus' own tool in a folder with a copy of docs/prometheus; says so where there is none. */
export async function withPromtool(work: (folder: string, run: Promtool) => Promise<void>): Promise<void> {
  const isThere = await execute('promtool', ['--version']).then(
    () => true,
    () => false,
  )
  if (!isThere) return console.log('SKIPPED: alert rules (promtool, of the package prometheus, is not there)')
  const folder = await mkdtemp(join(tmpdir(), 'prometheus-'))
  try {
    await cp(join(packageRoot, 'docs', 'prometheus'), folder, { recursive: true })
    await work(folder, async (args, input = '') => {
      try {
        const running = execute('promtool', args, { cwd: folder, timeout: 200_000 })
        running.child.stdin?.end(input)
        const { stdout, stderr } = await running
        return `${stdout}${stderr}`
      } catch (error) {
        const { stdout, stderr } = error as { stdout?: string; stderr?: string }
        throw new Error(`promtool ${args.join(' ')}: ${stdout}${stderr}`, { cause: error })
      }
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
