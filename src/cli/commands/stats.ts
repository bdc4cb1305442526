import type { Command } from 'commander'
import type { CacheStats } from '../../database/cache.ts'
import type { Context } from '../context.ts'
import { print } from '../output.ts'

const help = `
Examples:
  $ pgfigi stats
  $ pgfigi stats --json | jq .pending`

const meanings: Readonly<Record<keyof CacheStats, string>> = {
  total_cached: 'identifiers with a current answer',
  found_cached: '  of these, with a ticker',
  not_found_cached: '  of these, unknown to OpenFIGI',
  stale: '  of these, past their age',
  history_rows: 'periods that have ended',
  pending: 'identifiers that wait to be fetched',
  gave_up: 'identifiers that OpenFIGI keeps answering with an error',
  hit_rate_1h: 'lookups of the last hour answered from the cache',
  hit_rate_24h: 'the same, of the last day',
  budget_used: 'of the request limit, in use now',
}

/** The rest are counts. */
const shares: ReadonlySet<string> = new Set<keyof CacheStats>(['hit_rate_1h', 'hit_rate_24h', 'budget_used'])

export function addStats(program: Command, context: Context): void {
  program
    .command('stats')
    .summary('what the cache holds')
    .description(
      'Prints how many mappings the database holds, how many wait, how often lookups find what they want, and how much of the request limit is in use.',
    )
    .option('--json', 'one JSON object')
    .addHelpText('after', help)
    .action(async (options: { json?: boolean }) => {
      context.exitCode = await stats(options, context)
    })
}

async function stats({ json }: { json?: boolean }, context: Context): Promise<number> {
  const { openSession } = await import('../session.ts')
  const { rowFormatter } = await import('../table.ts')
  await using session = await openSession(context)
  const counts = await session.client.getCacheStats()
  if (json) {
    await print(context, JSON.stringify(counts))
    return 0
  }
  const isTerminal = context.stdout.isTTY
  const columns = [
    { head: 'what', width: 16 },
    { head: 'value', width: 12 },
    { head: 'meaning', width: 56 },
  ]
  const format = rowFormatter(columns, isTerminal)
  for (const [name, value] of Object.entries(counts) as [keyof CacheStats, number | null][]) {
    const cells = [
      name,
      isTerminal ? forPeople(name, value).padStart(12) : String(value ?? ''),
      meanings[name] ?? '',
    ]
    await print(context, format(isTerminal ? cells : cells.slice(0, 2)))
  }
  return 0
}

function forPeople(name: string, value: number | null): string {
  if (value === null) return '-'
  if (!shares.has(name)) return value.toLocaleString('en-US')
  return value.toLocaleString('en-US', { style: 'percent', maximumFractionDigits: 1 })
}
