import { constants } from 'node:os'

/** Why a command ends before it is done, and how it then exits. */
export class Interruption extends Error {
  readonly exitCode: number

  constructor(reason: string, exitCode: number) {
    super(reason)
    this.name = 'Interruption'
    this.exitCode = exitCode
  }
}

/** As shells count: 130 for SIGINT, 143 for SIGTERM. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}

/** The reader of stdout has seen enough (`| head`): nothing went wrong. */
export const readerGone = new Interruption('nobody reads on', 0)
