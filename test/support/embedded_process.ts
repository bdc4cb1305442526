import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { packageRoot } from './cluster.ts'

export interface EmbeddedProcess extends AsyncDisposable {
  readonly child: ChildProcess
  readonly url: string
  readonly port: number
  readonly startedHere: boolean
  /** Lets it release the database and end. */
  end(): Promise<void>
  /** kill -9. */
  kill(): Promise<void>
}

/** Another process that acquires a home's database. */
export async function startEmbeddedProcess(
  home: string,
  identity: { uid?: number; gid?: number } = {},
): Promise<EmbeddedProcess> {
  const script = join(packageRoot, 'test', 'support', 'embedded_user.ts')
  const child = spawn(process.execPath, [script, home], { cwd: '/', stdio: 'pipe', ...identity })
  let complaint = ''
  child.stderr.on('data', (chunk) => {
    complaint += chunk
  })
  const complained = once(child.stderr, 'end')
  const exited = once(child, 'exit')
  const line = await Promise.race([once(createInterface(child.stdout), 'line'), exited.then(() => null)])
  if (!line) {
    await complained // which may come after its end
    throw new Error(`the process ended: ${complaint}`)
  }
  const kill = async () => {
    child.kill('SIGKILL')
    await exited
  }
  return {
    child,
    ...JSON.parse(line[0]),
    async end() {
      child.stdin.end()
      await exited
    },
    kill,
    [Symbol.asyncDispose]: kill,
  }
}
