import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { tell } from '../output.ts'
import { workerUnlock } from './worker_unlock.ts'

const help = `
Several workers on one database share its work and its request budget. Without DATABASE_URL the database is the embedded
one, which comes up where it is not running. The worker needs a direct connection: behind a transaction pooler it
would hear of nothing.

Example:
  $ DATABASE_URL=postgres://pgfigi@db.example/pgfigi pgfigi worker`

const unlockHelp = `
A worker that is killed leaves its jobs locked for four hours. What they were to fetch is fetched without them, so nothing is
lost meanwhile; the check dead_jobs of pgfigi health tells of them. Jobs of living workers are left alone, and so are
those of other programs.

Example:
  $ pgfigi worker unlock`

export function addWorker(program: Command, context: Context): void {
  const worker = program
    .command('worker')
    .summary('the worker alone')
    .description('Fetches what is requested in the database, until Ctrl-C.')
    .addHelpText('after', help)
    .action(async () => {
      context.exitCode = await work(context)
    })
  worker
    .command('unlock')
    .summary('let go of the jobs of workers that are gone')
    .description('Unlocks the jobs that workers which no longer live hold, and prints how many.')
    .option('--json', 'print {"unlocked": N}')
    .addHelpText('after', unlockHelp)
    .action(async (options: { json?: boolean }) => {
      context.exitCode = await workerUnlock(options, context)
    })
}

async function work(context: Context): Promise<number> {
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
