import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { tell } from '../output.ts'

const help = `
Several workers on one database share its work and its request budget. Without DATABASE_URL the database is the embedded
one, which comes up where it is not running. The worker needs a direct connection: behind a transaction pooler it
would hear of nothing.

Example:
  $ DATABASE_URL=postgres://pgfigi@db.example/pgfigi pgfigi worker`

export function addWorker(program: Command, context: Context): void {
  program
    .command('worker')
    .summary('the worker alone')
    .description('Fetches what is requested in the database, until Ctrl-C.')
    .addHelpText('after', help)
    .action(async () => {
      context.exitCode = await worker(context)
    })
}

async function worker(context: Context): Promise<number> {
  const { createLogger } = await import('../../log.ts')
  const { limitsOf, placeOf, startService } = await import('../service.ts')
  const { runUntilInterrupted } = await import('../run_service.ts')
  const config = await context.config()
  const logger = createLogger(config)
  const service = await startService(config, logger, { migrates: false, signal: context.signal })
  return runUntilInterrupted(service, context, async () => {
    tell(context, `Working on ${placeOf(service.database, config)}, ${limitsOf(config)}.\nReady.`)
  })
}
