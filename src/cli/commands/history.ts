import type { Command } from 'commander'
import type { MappingPeriod } from '../../database/history.ts'
import { type IdentifierType, identify, normalizeIdentifier } from '../../identifiers.ts'
import type { Context } from '../context.ts'
import { print, printable, tell } from '../output.ts'
import { parseType } from '../parse_type.ts'
import { shownInstant } from '../points_in_time.ts'

interface HistoryOptions {
  readonly type?: IdentifierType
  readonly json?: boolean
}

const help = `
A period begins at "from" and ends before "to", which is empty while it lasts; "last seen" is when its ticker was last
observed. Days and times are in UTC. A period without a ticker is one in which OpenFIGI knew no such identifier. Nothing is
fetched. On a terminal it is a table, else lines separated by tabs, else (--json) one object a period with all columns of
mapping_history.

Examples:
  $ pgfigi history 835699307
  $ pgfigi history --json 156700106 US1567001060 | jq -r '[.ticker, .start_date] | @tsv'

Exit code 0 also where nothing is known of an identifier; 1 where one is invalid.`

const columns = [
  { head: 'identifier', width: 12 },
  { head: 'ticker', width: 16 },
  { head: 'from', width: 20 },
  { head: 'to', width: 20 },
  { head: 'last seen', width: 20 },
  { head: 'source', width: 8 },
  { head: 'name', width: 30 },
]

export function addHistory(program: Command, context: Context): void {
  program
    .command('history')
    .summary('the tickers an identifier has had, and when')
    .description('Prints every period of each CUSIP or ISIN that the database knows, in order of time.')
    .argument('<identifiers...>', 'CUSIPs and ISINs')
    .option('-t, --type <type>', 'take all for CUSIP or for ISIN', parseType)
    .option('--json', 'one JSON object a period')
    .addHelpText('after', help)
    .action(async (identifiers: string[], options: HistoryOptions) => {
      context.exitCode = await history(identifiers, options, context)
    })
}

async function history(
  given: readonly string[],
  { type, json }: HistoryOptions,
  context: Context,
): Promise<number> {
  const { openConnection } = await import('../connection.ts')
  const { queryDeadlineMs, within } = await import('../../database/deadline.ts')
  const { mappingHistory } = await import('../../database/history.ts')
  const { rowFormatter } = await import('../table.ts')
  await using connection = await openConnection(context)
  const format = rowFormatter(columns, context.stdout.isTTY)
  let isFirst = true
  let exitCode = 0
  for (const text of given) {
    const identifier = type === undefined ? identify(text) : normalizeIdentifier(type, text)
    if (!identifier) {
      tell(
        context,
        `${printable(text)} is no ${type ?? 'CUSIP and no ISIN'}: malformed, or a wrong check digit.`,
      )
      exitCode = 1
      continue
    }
    const periods = await within(queryDeadlineMs, 'The database', mappingHistory(connection.sql, identifier))
    if (periods.length === 0) tell(context, `Nothing is known of ${identifier.type} ${identifier.value}.`)
    for (const period of periods) {
      if (isFirst && !json) await print(context, format(columns.map(({ head }) => head)))
      isFirst = false
      await print(context, json ? JSON.stringify(period) : format(cellsOf(period)))
    }
  }
  return exitCode
}

function cellsOf(period: MappingPeriod): string[] {
  return [
    period.identifier_value,
    period.ticker ?? '',
    shownInstant(period.start_date),
    shownInstant(period.end_date),
    shownInstant(period.last_fetched_date),
    period.source,
    period.name ?? '',
  ]
}
