import { PgfigiError } from '../errors/pgfigi_error.ts'
import { createContext } from './context.ts'
import { createProgram } from './program.ts'
import { report } from './report.ts'
import { interruptionSignal } from './signals.ts'

const context = createContext(interruptionSignal())

try {
  await createProgram(context).parseAsync()
  await flushed()
  if (context.signal.reason instanceof PgfigiError) throw context.signal.reason
} catch (error) {
  context.exitCode = await report(error, context)
}
await flushed()
// What a library has left open must not keep the command.
process.exit(context.exitCode)

function flushed(): Promise<void> {
  return new Promise((resolve) => process.stdout.write('', () => setImmediate(resolve)))
}
