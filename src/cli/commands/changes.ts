import type { Command } from 'commander'
import type { MappingChange } from '../../database/changes.ts'
import type { Sql } from '../../database/connect.ts'
import type { Context } from '../context.ts'
import { print, tell } from '../output.ts'
import { parseSince, shownInstant } from '../points_in_time.ts'

interface ChangesOptions {
  readonly since: Date
  readonly follow?: boolean
  readonly json?: boolean
}

const help = `
The kinds of change: first_seen (the first ticker ever), renamed (another ticker), retired (OpenFIGI no longer knows it),
revived (a ticker again after that). A change counts from when it was observed; an import may add changes of the past later
(recorded_at, with --json). Days and times are in UTC. On a terminal it is a table, else lines separated by tabs, else
(--json) one object a change with all columns of mapping_changes.

Examples:
  $ pgfigi changes --since 2026-11-01
  $ pgfigi changes --since 12h --json | jq -r 'select(.kind == "renamed") | [.from_ticker, .to_ticker] | @tsv'
  $ pgfigi changes --since 0d --follow`

const columns = [
  { head: 'changed', width: 20 },
  { head: 'identifier', width: 12 },
  { head: 'kind', width: 10 },
  { head: 'from', width: 16 },
  { head: 'to', width: 16 },
  { head: 'source', width: 8 },
  { head: 'name', width: 30 },
]

export function addChanges(program: Command, context: Context): void {
  program
    .command('changes')
    .summary('what has changed: renamed, retired, revived, first seen')
    .description('Prints which identifiers changed from what to what, in order of time.')
    .option(
      '-s, --since <when>',
      'a day (from its beginning, UTC), an instant with its zone, or so long ago: 30m, 12h, 7d, 4w',
      parseSince,
      parseSince('7d'),
    )
    .option('-f, --follow', 'go on, and print changes as they are recorded, until Ctrl-C')
    .option('--json', 'one JSON object a change')
    .addHelpText('after', help)
    .action(async (options: ChangesOptions) => {
      context.exitCode = await changes(options, context)
    })
}

async function changes(options: ChangesOptions, context: Context): Promise<number> {
  const { openConnection } = await import('../connection.ts')
  const { rowFormatter } = await import('../table.ts')
  await using connection = await openConnection(context)
  const format = rowFormatter(columns, context.stdout.isTTY)
  let isFirst = true
  for await (const change of await source(connection.sql, options, context.signal)) {
    if (isFirst && !options.json) await print(context, format(columns.map(({ head }) => head)))
    isFirst = false
    await print(context, options.json ? JSON.stringify(change) : format(cellsOf(change)))
  }
  if (isFirst) tell(context, `Nothing has changed since ${shownInstant(options.since)}.`)
  return 0
}

async function source(
  sql: Sql,
  { since, follow }: ChangesOptions,
  signal: AbortSignal,
): Promise<AsyncIterable<MappingChange>> {
  if (follow) return (await import('../../database/follow_changes.ts')).followChanges(sql, since, signal)
  return (await import('../../database/changes.ts')).changesSince(sql, since)
}

function cellsOf(change: MappingChange): string[] {
  return [
    shownInstant(change.changed_at),
    change.identifier_value,
    change.kind,
    change.from_ticker ?? '',
    change.to_ticker ?? '',
    change.source,
    change.name ?? '',
  ]
}
