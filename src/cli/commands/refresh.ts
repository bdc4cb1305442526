import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, InvalidArgumentError } from 'commander'
import type { OpenFIGIClient } from '../../client.ts'
import type { Context } from '../context.ts'
import { counted, print, tell } from '../output.ts'

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

async function drain(client: OpenFIGIClient, context: Context): Promise<void> {
  const { Progress } = await import('../progress.ts')
  const { pending } = await client.getCacheStats()
  using progress = new Progress(context, 'identifiers', pending)
  const done = new AbortController()
  const watching = context.stderr.isTTY ? watch(client, progress, pending, done.signal) : null
  try {
    await client.refreshStaleCacheEntries({ maxRows: 0, wait: true })
    context.signal.throwIfAborted()
  } finally {
    done.abort()
    await watching
  }
  const left = (await client.getCacheStats()).pending
  if (left > 0)
    tell(context, `${counted(left, 'identifier')} could not be fetched yet; a worker tries again.`)
}

/** Moves the bar by what is still pending; others may add to it meanwhile. */
async function watch(
  client: OpenFIGIClient,
  progress: { update(done: number, total: number): void },
  atFirst: number,
  signal: AbortSignal,
): Promise<void> {
  let total = atFirst
  while (!signal.aborted) {
    await sleep(1000, undefined, { signal }).catch(() => {})
    const stats = signal.aborted ? null : await client.getCacheStats().catch(() => null)
    if (!stats) continue
    total = Math.max(total, stats.pending)
    progress.update(total - stats.pending, total)
  }
}

function parseCount(text: string): number {
  const count = Number(text)
  if (/^\d+$/.test(text) && count >= 1 && count <= 2_147_483_647) return count
  throw new InvalidArgumentError('It is a whole number from 1.')
}
