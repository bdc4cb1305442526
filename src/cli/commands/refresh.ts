import { type Command, InvalidArgumentError } from 'commander'
import type { Context } from '../context.ts'
import { counted, print } from '../output.ts'

interface RefreshOptions {
  readonly maxRows?: number
  readonly wait?: boolean
  readonly json?: boolean
}

const help = `
What is past its age (OPENFIGI_CACHE_MAX_AGE_DAYS, else the database's setting pgfigi.cache_max_age, else 60 days) is
requested oldest first, behind everything that people wait for. A worker fetches it, or with --wait this command.

Examples:
  $ pgfigi refresh
  $ pgfigi refresh --max-rows 10000 --wait`

export function addRefresh(program: Command, context: Context): void {
  program
    .command('refresh')
    .summary('fetch anew what is stale')
    .description('Requests a fetch of the mappings past their age, and prints how many.')
    .option('--max-rows <count>', 'no more than so many', parseCount)
    .option('-w, --wait', 'fetch them now, with all else that waits')
    .option('--json', 'print {"requested": N}')
    .addHelpText('after', help)
    .action(async (options: RefreshOptions) => {
      context.exitCode = await refresh(options, context)
    })
}

async function refresh({ maxRows, wait, json }: RefreshOptions, context: Context): Promise<number> {
  const { openSession } = await import('../session.ts')
  const { drain } = await import('../drain.ts')
  await using session = await openSession(context)
  const { client } = session
  const requested = await client.refreshStaleCacheEntries(maxRows === undefined ? {} : { maxRows })
  await print(
    context,
    json ? JSON.stringify({ requested }) : `Requested ${counted(requested, 'stale mapping')}.`,
  )
  if (wait) await drain(client, context)
  return 0
}

function parseCount(text: string): number {
  const count = Number(text)
  if (/^\d+$/.test(text) && count >= 1 && count <= 2_147_483_647) return count
  throw new InvalidArgumentError('It is a whole number from 1.')
}
