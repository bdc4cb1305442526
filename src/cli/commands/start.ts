import type { Command } from 'commander'
import type { Config } from '../../config.ts'
import type { Context } from '../context.ts'
import { print } from '../output.ts'
import type { Service } from '../service.ts'

const help = `
Without DATABASE_URL the database is an embedded PostgreSQL in PGFIGI_HOME (default ~/.pgfigi), which this command starts
and stops; other pgfigi commands use it meanwhile. With DATABASE_URL that database is migrated and used.
Ctrl-C stops all; a second one stops at once, without tidying up.

Example:
  $ OPENFIGI_API_KEY=... pgfigi start`

export function addStart(program: Command, context: Context): void {
  program
    .command('start')
    .summary('database, migrations and worker in one process')
    .description('Brings up the database, migrates it and runs the worker, until Ctrl-C.')
    .addHelpText('after', help)
    .action(async () => {
      context.exitCode = await start(context)
    })
}

async function start(context: Context): Promise<number> {
  const { createLogger } = await import('../../log.ts')
  const { startService } = await import('../service.ts')
  const { runUntilInterrupted } = await import('../run_service.ts')
  const config = await context.config()
  const logger = createLogger(config)
  const service = await startService(config, logger, { migrates: true, signal: context.signal })
  return runUntilInterrupted(service, context, () => introduce(service, config, context))
}

async function introduce({ database }: Service, config: Config, context: Context): Promise<void> {
  const { limitsOf, placeOf } = await import('../service.ts')
  const { commandLine } = await import('../invocation.ts')
  const lines = [
    `Database  ${placeOf(database, config)}`,
    `OpenFIGI  ${limitsOf(config)}`,
    `Connect   psql "$(${commandLine('psql-url', config)})"`,
    `Try       select * from resolve_mapping('CUSIP', '037833100');`,
    'Ready.',
    'Ctrl-C stops it.',
  ]
  for (const line of lines) await print(context, line)
}
