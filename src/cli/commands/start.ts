import type { Command } from 'commander'
import type { Config } from '../../config.ts'
import type { Context } from '../context.ts'
import { print } from '../output.ts'
import { addPageOptions, type PageFlags, withPageFlags } from '../page_flags.ts'
import type { Service } from '../service.ts'

const help = `
Without DATABASE_URL the database is an embedded PostgreSQL in PGFIGI_HOME (default ~/.pgfigi), which this command starts
and stops; other pgfigi commands use it meanwhile. With DATABASE_URL that database is migrated and used.
The page about it is on http://127.0.0.1:8080 (see pgfigi serve --help); where that port is in use, it is left away.
Ctrl-C stops all; a second one stops at once, without tidying up.

Example:
  $ OPENFIGI_API_KEY=... pgfigi start`

interface StartOptions extends PageFlags {
  /** False with --no-page. */
  readonly page: boolean
}

export function addStart(program: Command, context: Context): void {
  addPageOptions(program.command('start'))
    .summary('database, migrations, worker and page in one process')
    .description('Brings up the database, migrates it, and runs the worker and the page, until Ctrl-C.')
    .option('--no-page', 'without the page')
    .addHelpText('after', help)
    .action(async (options: StartOptions) => {
      context.exitCode = await start(options, context)
    })
}

async function start(options: StartOptions, context: Context): Promise<number> {
  const { createLogger } = await import('../../log.ts')
  const { startService } = await import('../service.ts')
  const { runUntilInterrupted } = await import('../run_service.ts')
  const { requireGuarded } = await import('../../http/access.ts')
  const config = withPageFlags(await context.config(), options)
  if (options.page) requireGuarded(config.page)
  const logger = createLogger(config)
  const service = await startService(config, logger, {
    migrates: true,
    signal: context.signal,
    ...(options.page ? { page: { allowActions: options.allowActions ?? false } } : {}),
  })
  return runUntilInterrupted(service, context, () => introduce(service, config, context))
}

async function introduce({ database, page }: Service, config: Config, context: Context): Promise<void> {
  const { limitsOf, placeOf } = await import('../service.ts')
  const { commandLine } = await import('../invocation.ts')
  const lines = [
    `Database  ${placeOf(database, config)}`,
    `OpenFIGI  ${limitsOf(config)}`,
    ...(page ? [`Page      ${page.url}`] : []),
    `Connect   psql "$(${commandLine('psql-url', config)})"`,
    `Try       select * from resolve_mapping('CUSIP', '037833100');`,
    'Ready.',
    'Ctrl-C stops it.',
  ]
  for (const line of lines) await print(context, line)
}
