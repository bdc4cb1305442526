import { readFileSync } from 'node:fs'
import { PgfigiError } from '../errors/pgfigi_error.ts'
import { exitCodeOfSignal, Interruption, readerGone } from './interruption.ts'

/**
 * npm hands on to its children the Ctrl-C that the terminal has sent them already: what comes so soon after the first is
 * the same one.
 */
const sameKeyMs = 1000

/** After what nobody has caught, whatever tidies up may hang, too. */
const tidyingUpMs = 10_000

/**
 * Aborts at the first Ctrl-C, at SIGTERM and when the terminal goes away, so that the command tidies up; a second one ends
 * the process at once. Aborts as well when nobody reads stdout any more, and with what nobody has caught.
 */
export function interruptionSignal(): AbortSignal {
  const controller = new AbortController()
  let firstAt = 0
  const end = (signal: NodeJS.Signals) => {
    const exitCode = exitCodeOfSignal(signal)
    if (controller.signal.aborted) {
      if (performance.now() - firstAt > sameKeyMs) process.exit(exitCode)
      return
    }
    firstAt = performance.now()
    controller.abort(new Interruption(signal, exitCode))
  }
  process.on('SIGINT', end)
  process.on('SIGTERM', end)
  if (!ignoresHangup()) process.on('SIGHUP', end)

  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (controller.signal.aborted) return
    controller.abort(
      error.code === 'EPIPE'
        ? readerGone
        : new PgfigiError(
            `The output cannot be written: ${error.message}. Free space, or write elsewhere, then run the same again.`,
          ),
    )
  })
  process.stderr.on('error', () => {})
  process.on('uncaughtException', (error) => {
    if (!controller.signal.aborted) controller.abort(error)
    setTimeout(() => process.exit(1), tidyingUpMs).unref()
  })
  return controller.signal
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** Under nohup a hang-up is to be ignored, and a handler of Node's would undo that. */
function ignoresHangup(): boolean {
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
    return mask !== undefined && (BigInt(`0x${mask}`) & 1n) === 1n
  } catch {
    return false // no Linux
  }
}
