import { createContext } from './context.ts'
import { Interruption } from './interruption.ts'
import { createProgram } from './program.ts'
import { report } from './report.ts'
import { interruptionSignal } from './signals.ts'

const context = createContext(interruptionSignal())

try {
  await createProgram(context).parseAsync()
  await flushed()
  if (context.signal.aborted && !(context.signal.reason instanceof Interruption)) throw context.signal.reason
} catch (error) {
  context.exitCode = await report(error, context)
}
await flushed()
// What a library has left open must not keep the command.
process.exit(context.exitCode)

function flushed(): Promise<void> {
  return new Promise((resolve) => process.stdout.write('', () => setImmediate(resolve)))
}
