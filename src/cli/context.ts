import type { ReadStream } from 'node:tty'
import type { Config } from '../config.ts'

/** What a command works with: its streams, the settings, and the signal that ends it. */
export interface Context {
  readonly stdin: ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  /** Aborts at Ctrl-C; its reason is an Interruption. */
  readonly signal: AbortSignal
  /** The environment, parsed at the first call, so that `--help` works whatever is in it. */
  config(): Promise<Config>
  /** What the process will exit with. */
  exitCode: number
}

export function createContext(signal: AbortSignal): Context {
  let config: Promise<Config> | undefined
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    signal,
    config: () => {
      config ??= import('../config.ts').then(({ parseConfig, readEnvironment }) =>
        parseConfig(readEnvironment()),
      )
      return config
    },
    exitCode: 0,
  }
}
