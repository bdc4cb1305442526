import { type Command, InvalidArgumentError } from 'commander'
import type { Input, Resolution } from '../../client.ts'
import { cleanIdentifier, completeCusip, type IdentifierType } from '../../identifiers.ts'
import type { Context } from '../context.ts'
import { counted, print, tell } from '../output.ts'
import { parseType } from '../parse_type.ts'
import { parseDayOrInstant } from '../points_in_time.ts'
import { UsageError } from '../usage_error.ts'

interface ResolveOptions {
  readonly type?: IdentifierType
  readonly file?: string
  readonly wait: boolean
  readonly json?: boolean
  readonly maxAge?: number
  readonly asOf?: Date | string
  readonly completeCusips?: boolean
}

const help = `
Identifiers come from the arguments, from a file, or from stdin (also as the argument -): one a line, blank lines and
lines that begin with # are skipped. The type of each is told from its value. On a terminal the answer is a table, else
lines separated by tabs, else (--json) one object a line with all columns of resolve_mapping; always in the order of the
input, for any number of identifiers.

With --as-of it prints what was in effect then, and waits for nothing; nothing is fetched, except of what nothing at all
is known. A day is the whole day in UTC, and the answer what was in effect at its end.

Examples:
  $ pgfigi resolve 037833100 US5949181045
  $ pgfigi resolve --file portfolio.txt --json > tickers.jsonl
  $ pgfigi resolve --as-of 2021-03-09 835699307
  $ pgfigi resolve --as-of 2021-03-09T14:30:00Z --file portfolio.txt
  $ cut -d, -f2 holdings.csv | pgfigi resolve --type CUSIP | cut -f1,2

Exit code 0 also where identifiers are invalid or have no ticker; 1 where some could not be looked up.`

export function addResolve(program: Command, context: Context): void {
  program
    .command('resolve')
    .summary('the tickers of CUSIPs and ISINs')
    .description(
      'Prints the ticker of each CUSIP or ISIN; what the database does not know is fetched from OpenFIGI.',
    )
    .argument('[identifiers...]', 'CUSIPs and ISINs; none, or -, reads them from stdin')
    .option('-t, --type <type>', 'take all for CUSIP or for ISIN', parseType)
    .option('-f, --file <path>', 'read the identifiers from a file, one a line')
    .option('--no-wait', 'print what is known now, and only request what is not')
    .option('--json', 'one JSON object a line')
    .option('--max-age <days>', 'what is older is stale: printed as it is, and requested anew', parseDays)
    .option('--as-of <when>', 'on a day (all of it, UTC) or at an instant with its zone', parseDayOrInstant)
    .option('--complete-cusips', 'compute the missing check digit of eight-character CUSIPs')
    .addHelpText('after', help)
    .action(async (given: string[], options: ResolveOptions) => {
      context.exitCode = await resolve(given, options, context)
    })
}

async function resolve(given: readonly string[], options: ResolveOptions, context: Context): Promise<number> {
  const { identifiers, count } = await inputsOf(given, options, context)
  const { openSession } = await import('../session.ts')
  const { inOrder } = await import('../../ordered.ts')
  const { Progress } = await import('../progress.ts')
  const { resolutionRows } = await import('../resolution_rows.ts')
  await using session = await openSession(context, { cacheMaxAgeDays: options.maxAge })
  using progress = context.stdin.isTTY && count === null ? null : new Progress(context, 'identifiers', count)
  const rows = options.json ? { head: null, row: asJson } : resolutionRows(context.stdout)

  let resolved = 0
  const resolutions = inOrder(identifiers, async (identifier) => {
    const resolution = await session.client.resolve(asked(identifier, options), {
      wait: options.wait,
      ...(options.asOf === undefined ? {} : { asOf: options.asOf }),
    })
    resolved += 1
    progress?.update(resolved)
    return { ...resolution, input: identifier }
  })
  const tally = { done: 0, unanswered: 0, later: 0, reason: '' }
  for await (const resolution of resolutions) {
    if (context.stdout.isTTY) progress?.makeRoom()
    if (tally.done === 0 && rows.head !== null) await print(context, rows.head)
    await print(context, rows.row(resolution))
    tally.done += 1
    if (resolution.error !== null) {
      tally.unanswered += 1
      tally.reason ||= resolution.error
    } else if (resolution.fetch_requested) tally.later += 1
  }
  progress?.[Symbol.dispose]()
  return sumUp(tally, context)
}

interface Tally {
  readonly done: number
  readonly unanswered: number
  readonly later: number
  readonly reason: string
}

function sumUp({ done, unanswered, later, reason }: Tally, context: Context): number {
  if (done === 0) tell(context, 'There was no identifier to resolve.')
  if (later > 0) {
    const noun = `${counted(later, 'identifier')} unknown or stale so far, and requested`
    tell(context, `${noun}: a worker fetches what is requested, or \`pgfigi refresh --wait\`.`)
  }
  if (unanswered === 0) return 0
  const noun = `${counted(unanswered, 'identifier')} of ${done.toLocaleString('en-US')}`
  tell(context, `${noun} could not be looked up; run the same again later. The first reason: ${reason}`)
  return 1
}

/** Where the identifiers come from, and how many they are, if anybody can know. */
async function inputsOf(
  given: readonly string[],
  { file }: ResolveOptions,
  { stdin, stderr, signal }: Context,
): Promise<{ identifiers: Iterable<string> | AsyncIterable<string>; count: number | null }> {
  const { identifiersIn, identifiersInFile } = await import('../inputs.ts')
  const isStdin = given.length === 1 && given[0] === '-'
  if (file !== undefined && given.length > 0) {
    throw new UsageError('Give either identifiers or --file, not both.')
  }
  if (file !== undefined && file !== '-') return identifiersInFile(file, stderr.isTTY, signal)
  if (given.length > 0 && !isStdin) return { identifiers: given, count: given.length }
  if (stdin.isTTY && !isStdin && file === undefined) {
    throw new UsageError(
      'There is no identifier to resolve: give some, or --file, or - to type them (pgfigi resolve --help).',
    )
  }
  return { identifiers: identifiersIn(stdin, signal), count: null }
}

function asked(identifier: string, { type, completeCusips }: ResolveOptions): Input {
  const isShort = completeCusips && type !== 'ISIN' && cleanIdentifier(identifier).length === 8
  const value = (isShort && completeCusip(identifier)) || identifier
  return type === undefined ? value : { type, value }
}

function asJson({ input, error, ...row }: Resolution): string {
  return JSON.stringify({ input, ...row, ...(error === null ? {} : { error }) })
}

function parseDays(text: string): number {
  const days = Number(text)
  if (/^\d+(\.\d+)?$/.test(text) && days <= 36_500) return days
  throw new InvalidArgumentError('It is a number of days from 0 to 36500.')
}
