import type { Command } from 'commander'
import type { HoldingsFile } from '../../holdings/open_holdings_file.ts'
import type { WarmingSummary } from '../../warming/request_all.ts'
import { collected } from '../collected.ts'
import type { Connection } from '../connection.ts'
import type { Context } from '../context.ts'
import { counted, print, printable, tell } from '../output.ts'
import { UsageError } from '../usage_error.ts'

interface WarmOptions {
  readonly column: readonly string[]
  readonly query?: string
  readonly wait: boolean
  readonly json?: boolean
}

const help = `
Identifiers come from a file (a table, JSON lines, or a list with one identifier a line; plain or packed by gzip or zip; - is
stdin), or from a query of your own tables in the same database, which runs in a read-only transaction. They are in the columns
that --column names, else in those called CUSIP and ISIN, else in those that hold some; where a row has both, the CUSIP is
asked for.

What is not known, or past its age, is requested behind everything that people wait for, and then fetched by this command, with
all else that waits; a worker that runs helps. Interrupted, run the same again: nothing that was fetched is asked for again.

Examples:
  $ pgfigi warm holdings.csv --column cusip
  $ pgfigi warm --query "select cusip from holdings"
  $ pgfigi warm --query "select distinct isin from trades where day > now() - interval '1 year'" --no-wait

Exit code 1 where something could not be fetched, 2 where the query cannot be run or no column can be told.`

/** For thousands of identifiers at once, which may wait for the locks of others. */
const requestDeadlineMs = 120_000

export function addWarm(program: Command, context: Context): void {
  program
    .command('warm')
    .summary('fetch ahead what a file or a table holds')
    .description('Fetches what is not known of a file or of a query, behind what people wait for.')
    .argument('[file]', 'a table, JSON lines, or a list of identifiers; - is stdin')
    .option('-q, --query <select>', 'the identifiers that a query of your own tables gives')
    .option('-c, --column <name>', 'where the identifiers are; may be given again', collected, [])
    .option('--no-wait', 'only request: a worker fetches')
    .option('--json', 'print {"read", "known", "waiting", "requested", "invalid", "pending", "gave_up"}')
    .addHelpText('after', help)
    .action(async (path: string | undefined, options: WarmOptions) => {
      context.exitCode = await warm(path, options, context)
    })
}

async function warm(path: string | undefined, options: WarmOptions, context: Context): Promise<number> {
  if ((path === undefined) === (options.query === undefined))
    throw new UsageError('Give either a file or --query (pgfigi warm --help).')
  const { ColumnError } = await import('../../errors/column_error.ts')
  const { UserQueryError } = await import('../../errors/user_query_error.ts')
  try {
    return await warmed(path, options, context)
  } catch (error) {
    const isUsage = error instanceof ColumnError || error instanceof UserQueryError
    throw isUsage ? new UsageError(printable(error.message)) : error
  }
}

async function warmed(path: string | undefined, options: WarmOptions, context: Context): Promise<number> {
  const { queueSize } = await import('../../database/warming.ts')
  const { drain } = await import('../drain.ts')
  const { holdingsFile } = await import('../holdings_file.ts')
  const { openConnection } = await import('../connection.ts')
  const { openSession } = await import('../session.ts')
  await using file =
    path === undefined ? null : await holdingsFile(path, { columns: options.column }, context)
  // One connection reads the query, another requests.
  await using connection = await openConnection(context, { max: 2, applicationName: 'pgfigi warm' })
  const summary = await requested(file, options, connection, context)
  if (!options.json) await print(context, sentenceOf(summary))

  let { waiting: pending } = await queueSize(connection.sql)
  let gaveUp = 0
  if (options.wait && pending > 0) {
    await using session = await openSession(context)
    ;({ waiting: pending, gaveUp } = await drain(session.client, context))
  }
  if (options.json) await print(context, JSON.stringify({ ...summary, pending, gave_up: gaveUp }))
  else if (!options.wait && pending > 0) {
    const waiting = `${counted(pending, 'identifier')} in all to be fetched`
    tell(context, `${waiting}: a worker does it, or \`pgfigi refresh --wait\`.`)
  }
  return options.wait && pending + gaveUp > 0 ? 1 : 0
}

async function requested(
  file: HoldingsFile | null,
  { query = '', column }: WarmOptions,
  { sql }: Connection,
  context: Context,
): Promise<WarmingSummary> {
  const { answered } = await import('../../database/answered.ts')
  const { requestWarming } = await import('../../database/warming.ts')
  const { rowsOfQuery } = await import('../../database/user_query.ts')
  const { requestAll, valuesAtOnce } = await import('../../warming/request_all.ts')
  const { valuesOfHoldings, valuesOfQuery } = await import('../../warming/values.ts')
  const { Patience } = await import('../../database/patience.ts')
  const { Progress } = await import('../progress.ts')
  const { cacheMaxAgeDays } = await context.config()
  using progress = new Progress(context, file ? 'kB' : 'rows', file && Math.ceil(file.size / 1000))
  let bytes = 0
  const say = (sentence: string) => {
    progress.makeRoom()
    tell(context, printable(sentence))
  }
  const reading = {
    onBytes: (count: number) => {
      bytes += count
      progress.update(Math.round(bytes / 1000))
    },
    onWarning: say,
  }
  const patience = new Patience({ onAway: say, signal: context.signal, hasAnswered: true })
  const values = file
    ? valuesOfHoldings(file.holdings, reading)
    : valuesOfQuery(rowsOfQuery(sql, query, valuesAtOnce), column)
  return requestAll(
    values,
    (some) =>
      patience.run(() =>
        answered(sql, requestDeadlineMs, requestWarming(sql, some, cacheMaxAgeDays ?? null)),
      ),
    ({ read }) => file ?? progress.update(read),
  )
}

function sentenceOf({ read, known, waiting, requested, invalid }: WarmingSummary): string {
  const [first, second, third, fourth] = [requested, waiting, known, invalid].map((count) =>
    count.toLocaleString('en-US'),
  )
  const noun = counted(read, 'row')
  return `Read ${noun}: ${first} requested, ${second} requested before, ${third} known, ${fourth} invalid.`
}
