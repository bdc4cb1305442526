import { setPriority } from 'node:os'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { print, tell } from '../output.ts'
import { addPageOptions, type PageFlags, withPageFlags } from '../page_flags.ts'
import { aborted } from '../signals.ts'

const help = `
The page shows whether all is well, what is known, and what has happened; /metrics, /readyz, /healthz and a JSON API
(/api/v1/openapi.json) are for programs. It only reads, unless --allow-actions lets its buttons work. On 127.0.0.1 it is
open to whoever is on this machine; anywhere else it wants PGFIGI_PAGE_PASSWORD, PGFIGI_PAGE_TOKEN, or both.
It needs no worker, and goes on while the database is away.

Examples:
  $ pgfigi serve
  $ PGFIGI_PAGE_PASSWORD=... pgfigi serve --host 0.0.0.0 --port 80 --allow-actions`

/** Lookups and workers on the same machine go first. */
const niceness = 10

export function addServe(program: Command, context: Context): void {
  addPageOptions(program.command('serve'))
    .summary('the page, metrics and JSON API')
    .description('Serves the page about a database, until Ctrl-C.')
    .addHelpText('after', help)
    .action(async (flags: PageFlags) => {
      context.exitCode = await serve(flags, context)
    })
}

async function serve(flags: PageFlags, context: Context): Promise<number> {
  const { createLogger } = await import('../../log.ts')
  const { openDatabase } = await import('../../database/open.ts')
  const { requireGuarded } = await import('../../http/access.ts')
  const { startPage } = await import('../../http/running_page.ts')
  const config = withPageFlags(await context.config(), flags)
  requireGuarded(config.page)
  const logger = createLogger(config)
  await using database = await openDatabase(config, logger)
  yieldToOthers() // after the embedded PostgreSQL has started, which would step back with it
  context.signal.throwIfAborted()
  await using page = await startPage(config, database.url, {
    allowActions: flags.allowActions ?? false,
    logger,
  })
  await print(context, `Page  ${page.url}`)
  await aborted(context.signal)
  tell(context, 'Stopping ...')
  return 0
}

function yieldToOthers(): void {
  try {
    setPriority(niceness)
  } catch {
    // where that is not allowed, it runs as everybody else
  }
}
