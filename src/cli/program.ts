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
import type { Context } from './context.ts'
import { printable } from './output.ts'

const help = `
Settings come from the environment, and from .env in the working folder: DATABASE_URL (without
it, an embedded PostgreSQL in PGFIGI_HOME, default ~/.pgfigi), OPENFIGI_API_KEY, LOG_LEVEL and more;
the README lists them all.

Examples:
  $ pgfigi start
  $ pgfigi resolve 037833100 US5949181045

Data goes to stdout, all else to stderr. Exit code 0: done, 1: failed, 2: wrong usage.`

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

/** Of what commander says, which repeats what it was given, so much is enough. */
const mostSaid = 600

/** The whole program, with all its commands. */
export function createProgram(context: Context): Command {
  const program = new Command('pgfigi')
    .description('A security master that lives in Postgres: CUSIP and ISIN to ticker, filled from OpenFIGI.')
    .version(packageVersion())
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`${short(printable(text.trimEnd()))}\n`) })
    .showHelpAfterError('(--help shows how it is used)')
    .addHelpText('after', help)

  for (const add of commands) {
    add(program, context)
  }
  return program
}

function short(sentence: string): string {
  return sentence.length > mostSaid
    ? `${sentence.slice(0, mostSaid / 2)} ... ${sentence.slice(-mostSaid / 2)}`
    : sentence
}
