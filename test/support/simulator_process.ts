import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { cleanEnvironment } from './clean_environment.ts'
import { packageRoot } from './cluster.ts'

export interface SimulatorProcess extends AsyncDisposable {
  readonly url: string
  /** As if newly started. */
  reset(): Promise<void>
  summary(): Promise<{ readonly requests: number; readonly byStatus: Readonly<Record<string, number>> }>
}

/** The simulator of OpenFIGI in a process of its own, so that it takes no time from the one that is measured. */
export async function spawnSimulator(args: readonly string[]): Promise<SimulatorProcess> {
  const child = spawn(
    process.execPath,
    [join(packageRoot, 'test', 'support', 'simulator_main.ts'), ...args],
    {
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const [line] = (await Promise.race([
    once(createInterface(child.stdout), 'line'),
    once(child, 'exit').then(() => ['']),
  ])) as [string]
  const url = line.replace('listening ', '')
  if (!URL.canParse(url)) throw new Error('the simulator did not start')
  const ask = async (method: string, command: string) => {
    const response = await fetch(`${url}/_simulator/${command}`, { method })
    return response.json()
  }
  return {
    url,
    reset: () => ask('POST', 'reset') as Promise<void>,
    summary: () => ask('GET', 'summary') as ReturnType<SimulatorProcess['summary']>,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    },
  }
}
