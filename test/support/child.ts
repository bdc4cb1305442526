import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { requireNoTrace } from './canaries.ts'
import { cleanEnvironment } from './clean_environment.ts'
import { packageRoot } from './cluster.ts'
import { argumentName } from './program_argument.ts'

export interface Child extends AsyncDisposable {
  readonly pid: number
  /** Its stdout and stderr so far. */
  output(): string
  /** Waits for a message that begins a new one: asks, and gets the answer. */
  ask<Answer>(question: object): Promise<Answer>
  /** Waits until it has ended by itself; its exit code, or the signal that ended it. */
  ended(): Promise<number | string | null>
  /** Likewise, after it was sent a signal. */
  end(signal: NodeJS.Signals): Promise<number | string | null>
}

/** A program of test/support with an IPC channel, ready when it has sent its first message. It finds the argument in its environment, which only its user can read. */
export async function forkProgram(
  name: string,
  argument: object,
  environment: Readonly<Record<string, string>> = {},
): Promise<Child> {
  const child = fork(join(packageRoot, 'test', 'support', name), [], {
    cwd: packageRoot,
    env: cleanEnvironment({ ...environment, [argumentName]: JSON.stringify(argument) }),
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    serialization: 'advanced',
  })
  const tended = tend(child)
  await tended.next()
  return tended
}

/** Any command in the repository's folder. */
export function spawnCommand(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Child {
  return tend(
    spawn(command, args, {
      cwd: packageRoot,
      env: cleanEnvironment(environment),
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
}

function tend(child: ChildProcess): Child & { next(): Promise<unknown> } {
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8')
    stream?.on('data', (chunk: string) => {
      output += chunk
    })
  }
  const exited = once(child, 'exit').then(([code, signal]) => (signal ?? code) as number | string | null)
  const next = async () => {
    const message = once(child, 'message').then(([value]) => ({ value: value as unknown }))
    const answer = await Promise.race([message, exited.then(() => null)])
    if (!answer) throw new Error(`the process ended: ${output}`)
    return answer.value
  }
  const ended = async () => {
    const ending = await exited
    requireNoTrace('what the process printed', output)
    return ending
  }
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return ended()
  }
  return {
    pid: child.pid ?? 0,
    output: () => output,
    next,
    async ask<Answer>(question: object) {
      const answer = next()
      child.send(question)
      return (await answer) as Answer
    },
    ended,
    end,
    async [Symbol.asyncDispose]() {
      await end('SIGKILL')
    },
  }
}
