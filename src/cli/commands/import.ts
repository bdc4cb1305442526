import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import type { Counts } from '../../import/importer.ts'
import type { RejectsFile } from '../../import/rejects.ts'
import type { Context } from '../context.ts'
import { keepHeapSmall } from '../keep_heap_small.ts'
import { counted, print, printable, tell } from '../output.ts'
import { parseType } from '../parse_type.ts'
import { UsageError } from '../usage_error.ts'

interface ImportOptions {
  readonly observedAt?: string
  readonly type?: 'CUSIP' | 'ISIN'
  readonly rejects?: string
  readonly json?: boolean
}

const help = `
Reads, plain or packed by gzip or zip, in any size, and tells from the content what it is:
  JSON caches ({"037833100": "AAPL"} and the shapes with metadata, entries or listings), JSON lines,
  tables with named columns (type, value or cusip or isin; ticker; perhaps start, end, date, name, figi),
  the SEC's fails-to-deliver files, and the dumps of pgfigi export.
Of a folder, the files in it are read; - is stdin. What is imported never displaces what OpenFIGI said live, and
importing the same again changes nothing: one that was interrupted is simply run again. What cannot be imported is
listed in a CSV file with its line and the reason. docs/importing.md has the rules.

Examples:
  $ pgfigi import cache.json --observed-at 2021-03-09
  $ pgfigi import cnsfails202103a.zip ftd/
  $ zcat old.csv.gz | pgfigi import - --json

Exit code 0 also where records were rejected; 1 where a file cannot be read or nothing in it makes sense.`

export function addImport(program: Command, context: Context): void {
  program
    .command('import')
    .summary('bring in old caches, tables and SEC files')
    .description('Brings old data into the database: who had which ticker, and when.')
    .argument('<paths...>', 'files and folders; - is stdin')
    .option(
      '--observed-at <date>',
      'when that was seen which has no date of its own (else the date of the file)',
    )
    .option('-t, --type <type>', 'take all identifiers for CUSIP or for ISIN', parseType)
    .option('--rejects <path>', 'where to list what is rejected (default: <first input>.rejects.csv, here)')
    .option('--json', 'print {"read", "imported", "unchanged", "rejected"}')
    .addHelpText('after', help)
    .action(async (paths: string[], options: ImportOptions) => {
      context.exitCode = await importPaths(paths, options, context)
    })
}

async function importPaths(
  paths: readonly string[],
  options: ImportOptions,
  context: Context,
): Promise<number> {
  keepHeapSmall()
  const now = Date.now()
  const observedAt = await observedAtOf(options, now)
  const rejectsPath = rejectsPathOf(paths, options)
  const { openSources } = await import('../../import/open_sources.ts')
  const { RejectsFile } = await import('../../import/rejects.ts')
  const { Importer } = await import('../../import/importer.ts')
  const { openConnection } = await import('../connection.ts')
  const { Progress } = await import('../progress.ts')
  await using opened = await openSources(paths, context.stdin, context.signal)
  // What is under way when it is interrupted is still written.
  await using database = await openConnection(context, {
    max: 2,
    applicationName: 'pgfigi import',
    isInterruptible: false,
  })
  using progress = new Progress(context, 'kB', Math.ceil(opened.size / 1000))
  const say = (sentence: string) => {
    progress.makeRoom()
    tell(context, printable(sentence))
  }
  let bytes = 0
  const rejects = new RejectsFile(rejectsPath)
  const importer = new Importer({
    sql: database.sql,
    reading: {
      type: options.type,
      observedAt,
      preference: (await context.config()).listingPreference,
      now,
      onWarning: say,
      onBytes: (count) => {
        bytes += count
        progress.update(Math.round(bytes / 1000))
      },
    },
    onRejects: (some) => rejects.add(some),
    onAway: say,
    hasAnswered: true,
    signal: context.signal,
  })
  try {
    const failed = await takeAll(opened.sources, importer, say)
    await importer.finish()
    progress[Symbol.dispose]()
    await rejects.close()
    await sumUp(importer.counts, rejects, options, context)
    return failed === 0 ? 0 : 1
  } catch (error) {
    progress[Symbol.dispose]()
    await importer.stop()
    await rejects.discard()
    const done = importer.counts.imported + importer.counts.unchanged
    tell(
      context,
      `Stopped: ${counted(done, 'record')} so far are in the database; run the same again to go on.`,
    )
    throw error
  }
}

/** A file that cannot be read does not keep the others from being read. How many could not. */
async function takeAll(
  sources: Awaited<ReturnType<typeof import('../../import/open_sources.ts').openSources>>['sources'],
  importer: InstanceType<typeof import('../../import/importer.ts').Importer>,
  say: (sentence: string) => void,
): Promise<number> {
  const { ImportError } = await import('../../errors/import_error.ts')
  let failed = 0
  for (const source of sources) {
    try {
      await importer.take(source)
    } catch (error) {
      if (!(error instanceof ImportError)) throw error
      failed += 1
      say(`error: ${error.message}`)
    }
  }
  return failed
}

async function sumUp(
  counts: Counts,
  rejects: RejectsFile,
  { json }: ImportOptions,
  context: Context,
): Promise<void> {
  const { read, imported, unchanged, rejected, excluded } = counts
  if (json) await print(context, JSON.stringify({ read, imported, unchanged, rejected }))
  else {
    const parts = [imported, unchanged, rejected].map((count) => count.toLocaleString('en-US'))
    const [first, second, third] = parts
    await print(
      context,
      `Read ${counted(read, 'record')}: ${first} imported, ${second} unchanged, ${third} rejected.`,
    )
  }
  if (excluded > 0) {
    const verb = excluded === 1 ? 'does' : 'do'
    tell(
      context,
      `${counted(excluded, 'sighting')} ${verb} not show in the history, because OpenFIGI said otherwise at the time, or sources contradict each other (docs/importing.md).`,
    )
  }
  if (rejected === 0) return
  if (rejects.problem === null) {
    tell(context, `What was rejected, and why, is in ${printable(rejects.path)}.`)
    return
  }
  tell(context, `The list of what was rejected cannot be written: ${rejects.problem}. The first reasons:`)
  for (const { place, reason } of rejects.first) {
    tell(context, printable(`  ${place.file}, ${place.line}: ${reason}`))
  }
}

async function observedAtOf({ observedAt }: ImportOptions, now: number): Promise<number | undefined> {
  if (observedAt === undefined) return undefined
  const { parseInstant } = await import('../../import/instants.ts')
  const instant = parseInstant(observedAt)
  if (instant === null) {
    throw new UsageError(
      `--observed-at is a date (2021-03-09) or an instant (2021-03-09T14:30:00Z), not ${observedAt}.`,
    )
  }
  if (instant > now) throw new UsageError(`--observed-at is in the future: ${observedAt}.`)
  return instant
}

function rejectsPathOf(paths: readonly string[], { rejects }: ImportOptions): string {
  const [first = '-'] = paths
  const path = rejects ?? `${first === '-' ? 'stdin' : basename(resolve(first))}.rejects.csv`
  if (paths.some((input) => input !== '-' && resolve(input) === resolve(path))) {
    throw new UsageError(`--rejects would overwrite ${path}, which is to be read.`)
  }
  return path
}
