import type { Command } from 'commander'
import type { Counting } from '../../counting/tally.ts'
import type { Enricher, Summary } from '../../enrich/enricher.ts'
import type { Identifier } from '../../identifiers.ts'
import { collected } from '../collected.ts'
import type { Context } from '../context.ts'
import { growHeapSlowly, keepHeapSmall, keepYoungHeap } from '../keep_heap_small.ts'
import { counted, print, printable, tell } from '../output.ts'
import { parseDayOrInstant } from '../points_in_time.ts'
import { UsageError } from '../usage_error.ts'

interface EnrichOptions {
  readonly column: readonly string[]
  readonly output?: string
  readonly asOf?: Date | string
  readonly asOfColumn?: string
  readonly fetch: boolean
  readonly strict?: boolean
  readonly json?: boolean
}

const help = `
A table (divided by commas, semicolons, tabs or |), JSON lines, or a list with one identifier a line; plain or packed by gzip or
zip, of any size; - is stdin. The same comes out, row by row in its order and as it stood, with ticker, name, figi and status added;
where the file has a column of such a name, the new one is called pgfigi_ticker and so on.

Identifiers are in the columns that --column names (by name, or by number from 1), else in those called CUSIP and ISIN, else in
those that hold some. Where a row has several, the first that is a hit counts, CUSIPs first. What the database does not know is
fetched from OpenFIGI and waited for; a ticker past its age is taken as it is, and requested anew. Interrupted, run the same
again: what has been fetched is kept. docs/enriching.md has the rules.

Examples:
  $ pgfigi enrich holdings.csv > enriched.csv
  $ pgfigi enrich holdings.csv.gz --column cusip --column isin --output enriched.csv.gz
  $ pgfigi enrich trades.csv --as-of-column trade_date --output enriched.csv
  $ psql -c "copy holdings to stdout (format csv, header)" | pgfigi enrich - --no-fetch --strict

Exit code 1 where something could not be looked up, and with --strict where a row has no ticker in the end.`

/** For thousands of identifiers at once, each of which may have to be requested. */
const lookupDeadlineMs = 120_000

/** Blocks, of which as many as ever are under way by then. */
const callsUntilGrown = 10

export function addEnrich(program: Command, context: Context): void {
  program
    .command('enrich')
    .summary('tickers beside the rows of a file')
    .description('Adds ticker, name, figi and status to each row of a file of holdings, of any size.')
    .argument('<file>', 'a table, JSON lines, or a list of identifiers; - is stdin')
    .option('-c, --column <name>', 'where the identifiers are; may be given again', collected, [])
    .option('-o, --output <path>', 'a file instead of stdout; it may be the same one')
    .option(
      '--as-of <when>',
      'the tickers of a day (all of it, UTC) or an instant with its zone',
      parseDayOrInstant,
    )
    .option('--as-of-column <name>', "the tickers of each row's own day or instant")
    .option('--no-fetch', 'take what is known now; request nothing and wait for nothing')
    .option('--strict', 'exit with 1 where a row has no ticker in the end')
    .option('--json', 'the summary as JSON: on stdout with --output, else on stderr')
    .addHelpText('after', help)
    .action(async (path: string, options: EnrichOptions) => {
      context.exitCode = await enrich(path, options, context)
    })
}

async function enrich(path: string, options: EnrichOptions, context: Context): Promise<number> {
  if (options.asOf !== undefined && options.asOfColumn !== undefined)
    throw new UsageError('Give either --as-of or --as-of-column: one time for all rows, or the time of each.')
  growHeapSlowly()
  const { openConnection } = await import('../connection.ts')
  const { fileTarget, stdoutTarget } = await import('../export_target.ts')
  const { holdingsFile } = await import('../holdings_file.ts')
  const { Enricher } = await import('../../enrich/enricher.ts')
  const { oneTime, ownTimes } = await import('../../enrich/row_times.ts')
  const { knownMappings } = await import('../../database/known_mappings.ts')
  const { answered } = await import('../../database/answered.ts')
  const { Patience } = await import('../../database/patience.ts')
  const { ProcessCounting } = await import('../../counting/process_counting.ts')
  const { countFileLookups, withoutLookups } = await import('../../enrich/count_lookups.ts')
  const { column: columns, asOfColumn: dateColumn } = options
  await using file = await holdingsFile(path, { columns, dateColumn }, context)
  const isFile = options.output !== undefined && options.output !== '-'
  await using target = isFile ? await fileTarget(options.output, context) : stdoutTarget(context)
  await using connection = await openConnection(context, { max: 3, applicationName: 'pgfigi enrich' })
  await using counting = new ProcessCounting({
    kind: 'command',
    query: (query) => query(connection.sql),
    logger: connection.logger,
  })
  await using openedLater = new AsyncDisposableStack()
  const config = await context.config()
  const isShown = context.stderr.isTTY && (isFile || !context.stdout.isTTY)
  const { EnrichProgress } = isShown ? await import('../enrich_progress.ts') : { EnrichProgress: null }
  using progress = EnrichProgress && new EnrichProgress(context, file.size, config)
  const say = (sentence: string) => {
    progress?.makeRoom()
    tell(context, printable(sentence))
  }
  const now = new Date()
  const maxAgeDays = config.cacheMaxAgeDays ?? null
  const patience = new Patience({ onAway: say, signal: context.signal, hasAnswered: true })
  let calls = 0
  const enricher = new Enricher({
    holdings: file.holdings,
    timeOf: options.asOfColumn === undefined ? oneTime(options.asOf, now) : ownTimes(now),
    lookUp: async (identifiers, asOf) => {
      const asked = { asOf, maxAgeDays, isRequesting: options.fetch }
      const answers = await patience.run(() =>
        answered(connection.sql, lookupDeadlineMs, knownMappings(connection.sql, identifiers, asked)),
      )
      countFileLookups(counting, identifiers, answers, { isFetching: options.fetch && asOf === null })
      return answers
    },
    fetch: options.fetch ? fetcherOpenedLater(context, openedLater, withoutLookups(counting)) : undefined,
    onInvalid: () => counting.add('lookups', { type: 'unknown', status: 'invalid', source: 'process' }),
    onWarning: say,
    onProgress: () => {
      calls += 1
      if (calls === callsUntilGrown) keepYoungHeap()
      progress?.show(enricher)
    },
    signal: context.signal,
  })
  tellNames(enricher, say)
  await target.write(enricher.bytes())
  progress?.[Symbol.dispose]()
  return await sumUp(enricher.summary, { ...options, isFile }, context)
}

/** A client is only opened for the first identifier that has to be fetched. */
function fetcherOpenedLater(context: Context, stack: AsyncDisposableStack, counting: Counting) {
  const open = async () => {
    keepHeapSmall() // from here on OpenFIGI sets the pace
    const { openSession } = await import('../session.ts')
    return stack.use(await openSession(context, {}, { counting })).client
  }
  let client: ReturnType<typeof open> | undefined
  return async (identifier: Identifier) => {
    client ??= open()
    const { ticker, name, figi, status, error } = await (await client).resolve(identifier)
    return { ticker, name, figi, status, ...(error === null ? {} : { error }) }
  }
}

function tellNames({ columns }: Enricher, say: (sentence: string) => void): void {
  const renamed = columns.filter((name) => name.startsWith('pgfigi_'))
  if (renamed.length > 0)
    say(`The file has columns of the names to be added: what is added is called ${renamed.join(', ')}.`)
}

async function sumUp(
  summary: Summary,
  { json, strict, isFile, output }: EnrichOptions & { isFile: boolean },
  context: Context,
): Promise<number> {
  const { rows, identifiers, hits, stale, fetched, negative, invalid, missing } = summary
  const unresolved = rows - hits
  if (json) {
    const counts = { rows, identifiers, hits, stale, fetched, negative, invalid, missing, unresolved }
    const unreadable_dates = summary.unreadableDates
    const line = JSON.stringify({ ...counts, unreadable_dates })
    await (isFile ? print(context, line) : tell(context, line))
  } else {
    const number = (count: number) => count.toLocaleString('en-US')
    const of = isFile ? ` to ${printable(output ?? '')}` : ''
    tell(
      context,
      `Wrote ${counted(rows, 'row')}${of}: ${counted(identifiers, 'distinct identifier')}, ${number(fetched)} fetched; ` +
        `${counted(hits, 'hit')}${stale > 0 ? ` (${number(stale)} stale)` : ''}, ${number(unresolved)} unresolved: ` +
        `${number(negative)} negative, ${number(invalid)} invalid, ${number(missing)} not known yet.`,
    )
  }
  if (summary.unreadableDates > 0) {
    const noun = `${counted(summary.unreadableDates, 'row')} of the invalid`
    tell(context, `${noun} without a date that can be read: 2021-03-09 or 2021-03-09T14:30:00Z can.`)
  }
  if (summary.odd > 0)
    tell(
      context,
      `${counted(summary.odd, 'row')} with more cells than the head, a quote that is never closed, or no JSON object: look at them.`,
    )
  if (summary.failed > 0) {
    const noun = `${counted(summary.failed, 'row')} could not be looked up`
    tell(context, `${noun}; run the same again later. The first reason: ${printable(summary.reason)}`)
  }
  return summary.failed > 0 || (strict && unresolved > 0) ? 1 : 0
}
