import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { counted, print, tell } from '../output.ts'
import { UsageError } from '../usage_error.ts'

interface ClearOptions {
  readonly yes?: boolean
  readonly json?: boolean
}

const help = `
The history is kept; lookups then miss, and fetch anew.

Examples:
  $ pgfigi clear
  $ pgfigi clear --yes --json`

export function addClear(program: Command, context: Context): void {
  program
    .command('clear')
    .summary('close every current mapping')
    .description('Closes every current mapping, after asking.')
    .option('-y, --yes', 'do not ask')
    .option('--json', 'print {"closed": N}')
    .addHelpText('after', help)
    .action(async (options: ClearOptions) => {
      context.exitCode = await clear(options, context)
    })
}

async function clear({ yes, json }: ClearOptions, context: Context): Promise<number> {
  if (!yes && !context.stdin.isTTY) {
    throw new UsageError('Nobody can be asked here: clear needs --yes where stdin is no terminal.')
  }
  const { openSession } = await import('../session.ts')
  await using session = await openSession(context)
  if (!yes && !(await agrees((await session.client.getCacheStats()).total_cached, context))) {
    tell(context, 'Nothing was changed.')
    return 1
  }
  const closed = await session.client.clearCache()
  await print(context, json ? JSON.stringify({ closed }) : `Closed ${counted(closed, 'mapping')}.`)
  return 0
}

async function agrees(count: number, { stdin, stderr, signal }: Context): Promise<boolean> {
  const { linesOf } = await import('../inputs.ts')
  stderr.write(
    `Close ${count === 1 ? 'the one current mapping' : `all ${counted(count, 'current mapping')}`}? The history is kept. (y/N) `,
  )
  for await (const line of linesOf(stdin, signal)) return /^y(es)?$/i.test(line.trim())
  return false
}
