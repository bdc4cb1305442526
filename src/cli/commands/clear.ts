import type { Command } from 'commander'
import type { CacheStats } from '../../database/cache.ts'
import type { Context } from '../context.ts'
import { counted, print, tell } from '../output.ts'
import { UsageError } from '../usage_error.ts'

interface ClearOptions {
  readonly purge?: boolean
  readonly yes?: boolean
  readonly json?: boolean
}

const help = `
The history is kept; lookups then miss, and fetch anew. With --purge nothing is kept: neither the history nor what was
imported. pgfigi export --format dump keeps it all in a file.

Examples:
  $ pgfigi clear
  $ pgfigi clear --yes --json
  $ pgfigi clear --purge`

export function addClear(program: Command, context: Context): void {
  program
    .command('clear')
    .summary('close every current mapping, or forget everything')
    .description('Closes every current mapping, or with --purge forgets everything, after asking.')
    .option('--purge', 'forget everything, the history included')
    .option('-y, --yes', 'do not ask')
    .option('--json', 'print {"closed": N}, with --purge {"forgotten": N}')
    .addHelpText('after', help)
    .action(async (options: ClearOptions) => {
      context.exitCode = await clear(options, context)
    })
}

async function clear({ purge = false, yes, json }: ClearOptions, context: Context): Promise<number> {
  if (!yes && !context.stdin.isTTY) {
    throw new UsageError('Nobody can be asked here: clear needs --yes where stdin is no terminal.')
  }
  const { openSession } = await import('../session.ts')
  await using session = await openSession(context)
  if (!yes && !(await agrees(question(await session.client.getCacheStats(), purge), context))) {
    tell(context, 'Nothing was changed.')
    return 1
  }
  const count = await session.client.clearCache({ purge })
  if (json) await print(context, JSON.stringify(purge ? { forgotten: count } : { closed: count }))
  else await print(context, `${purge ? 'Forgot' : 'Closed'} ${counted(count, 'mapping')}.`)
  return 0
}

function question({ total_cached, history_rows }: CacheStats, purge: boolean): string {
  const current =
    total_cached === 1 ? 'the one current mapping' : `all ${counted(total_cached, 'current mapping')}`
  return purge
    ? `Forget ${current} and ${counted(history_rows, 'past one')}, for good?`
    : `Close ${current}? The history is kept.`
}

async function agrees(question: string, { stdin, stderr, signal }: Context): Promise<boolean> {
  const { linesOf } = await import('../inputs.ts')
  stderr.write(`${question} (y/N) `)
  for await (const line of linesOf(stdin, signal)) return /^y(es)?$/i.test(line.trim())
  return false
}
