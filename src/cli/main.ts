import { Command } from 'commander'
import { packageVersion } from '../package_version.ts'
import { addChanges } from './commands/changes.ts'
import { addClear } from './commands/clear.ts'
import { addEnrich } from './commands/enrich.ts'
import { addExport } from './commands/export.ts'
import { addHealth } from './commands/health.ts'
import { addHistory } from './commands/history.ts'
import { addImport } from './commands/import.ts'
import { addMigrate } from './commands/migrate.ts'
import { addPsqlUrl } from './commands/psql_url.ts'
import { addRefresh } from './commands/refresh.ts'
import { addResolve } from './commands/resolve.ts'
import { addServe } from './commands/serve.ts'
import { addStart } from './commands/start.ts'
import { addStats } from './commands/stats.ts'
import { addWarm } from './commands/warm.ts'
import { addWorker } from './commands/worker.ts'
import { createContext } from './context.ts'
import { Interruption } from './interruption.ts'
import { report } from './report.ts'
import { interruptionSignal } from './signals.ts'

const help = `
Settings come from the environment, and from .env in the working folder: DATABASE_URL (without
it, an embedded PostgreSQL in PGFIGI_HOME, default ~/.pgfigi), OPENFIGI_API_KEY, LOG_LEVEL and more;
the README lists them all.

Examples:
  $ pgfigi start
  $ pgfigi resolve 037833100 US5949181045

Data goes to stdout, all else to stderr. Exit code 0: done, 1: failed, 2: wrong usage.`

const context = createContext(interruptionSignal())

const program = new Command('pgfigi')
  .description('A security master that lives in Postgres: CUSIP and ISIN to ticker, filled from OpenFIGI.')
  .version(packageVersion())
  .exitOverride()
  .showHelpAfterError('(--help shows how it is used)')
  .addHelpText('after', help)

const commands = [
  addStart,
  addResolve,
  addHistory,
  addChanges,
  addEnrich,
  addExport,
  addStats,
  addHealth,
  addRefresh,
  addWarm,
  addImport,
  addClear,
  addMigrate,
  addWorker,
  addServe,
  addPsqlUrl,
]
for (const add of commands) {
  add(program, context)
}

try {
  await program.parseAsync()
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
