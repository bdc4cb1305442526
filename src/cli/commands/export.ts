import { type Command, Option } from 'commander'
import type { Export, ExportFormat, ExportScope } from '../../database/export.ts'
import type { Context } from '../context.ts'
import { counted, tell } from '../output.ts'
import { parseDayOrInstant } from '../points_in_time.ts'
import { UsageError } from '../usage_error.ts'

interface ExportOptions {
  readonly format: ExportFormat
  readonly asOf?: Date | string
  readonly history?: boolean
  readonly output?: string
}

const help = `
Without --as-of and --history: what holds now. Rows come in the order of identifier and time, all from one moment.

csv is for people: instants are in UTC, and a cell that a spreadsheet would run as a formula has an apostrophe before it.
jsonl has the same columns as they are, one object a line. dump is everything, whole, for \`pgfigi import\` to read back to
identical tables; it needs the owner of the tables, csv and jsonl no more than the rights of an analyst.

A file appears under its name when it is complete, and is compressed where its name ends in .gz.

Examples:
  $ pgfigi export > mappings.csv
  $ pgfigi export --as-of 2021-03-09 --output then.csv
  $ pgfigi export --history --format jsonl | jq -r 'select(.ticker == "SNE") | .identifier_value'
  $ pgfigi export --format dump --output pgfigi.dump.gz`

export function addExport(program: Command, context: Context): void {
  program
    .command('export')
    .summary('mappings as CSV, JSON lines, or a dump')
    .description('Writes mappings to stdout or a file, any number of them.')
    .addOption(new Option('--format <format>', 'how').choices(['csv', 'jsonl', 'dump']).default('csv'))
    .option('--as-of <when>', 'as of a day (all of it, UTC) or an instant with its zone', parseDayOrInstant)
    .option('--history', 'every period, past and present')
    .option('-o, --output <path>', 'a file instead of stdout')
    .addHelpText('after', help)
    .action(async (options: ExportOptions) => {
      context.exitCode = await exportTo(options, context)
    })
}

async function exportTo(options: ExportOptions, context: Context): Promise<number> {
  const { format, output } = options
  const scope = scopeOf(options)
  const { openConnection } = await import('../connection.ts')
  const { exportMappings, estimatedRows } = await import('../../database/export.ts')
  const { fileTarget, stdoutTarget } = await import('../export_target.ts')
  const { Progress } = await import('../progress.ts')
  const isFile = output !== undefined && output !== '-'
  await using target = isFile ? await fileTarget(output, context) : stdoutTarget(context)
  await using connection = await openConnection(context)

  let rows = 0
  const isShown = context.stderr.isTTY && (isFile || !context.stdout.isTTY)
  const estimate = isShown ? await estimatedRows(connection.sql, { format, scope }) : null
  using progress = isShown ? new Progress(context, 'rows', estimate) : null
  const asked: Export = {
    format,
    scope,
    onRows: (count) => {
      rows += count
      progress?.update(rows, estimate && Math.max(estimate, rows))
    },
  }
  await exportMappings(connection.sql, asked, (bytes) => target.write(bytes))
  progress?.[Symbol.dispose]()
  if (isFile) tell(context, `Wrote ${counted(rows, 'row')} to ${output}.`)
  return 0
}

function scopeOf({ format, asOf, history }: ExportOptions): ExportScope {
  if (format === 'dump' && (asOf !== undefined || history))
    throw new UsageError('A dump is always whole: --as-of and --history go with csv and jsonl.')
  if (asOf !== undefined && history)
    throw new UsageError('Give either --as-of or --history: the history is every period.')
  if (asOf !== undefined) return { asOf }
  return history ? 'history' : 'current'
}
