import { styleText } from 'node:util'
import type { Resolution } from '../client.ts'
import type { Status } from '../database/lookups.ts'
import { type Cell, rowFormatter } from './table.ts'

const widths = { identifier: 12, ticker: 16, status: 8, name: 24, exchange: 8, since: 10 }
const columns = Object.entries(widths).map(([head, width]) => ({ head, width }))
const othersAndGaps = 64

const colours = {
  hit: 'green',
  stale: 'yellow',
  negative: 'dim',
  miss: 'yellow',
  invalid: 'red',
} as const satisfies Record<Status, string>

/** A table of resolutions, row by row: its head, and how a row is written. */
export function resolutionRows(stdout: NodeJS.WriteStream): {
  head: string
  row(resolution: Resolution): string
} {
  const roomForName = Math.min(Math.max((stdout.columns || 80) - othersAndGaps, 12), 40)
  const format = rowFormatter(
    columns.map(({ head, width }) => ({ head, width: head === 'name' ? roomForName : width })),
    stdout.isTTY,
  )
  const dim = (text: string) => styleText('dim', text, { stream: stdout })
  return {
    head: format(columns.map(({ head }): Cell => [head, dim])),
    row: (resolution) =>
      format([
        resolution.identifier_value ?? resolution.input,
        tickerOf(resolution, stdout.isTTY),
        [resolution.status, (text) => styleText(colours[resolution.status], text, { stream: stdout })],
        resolution.name ?? '',
        resolution.exch_code ?? '',
        dayOf(resolution.start_date),
      ]),
  }
}

/** People should see that another listing might have been meant; programs find it in `alternatives`. */
function tickerOf({ ticker, alternatives }: Resolution, isTerminal: boolean): string {
  const rivals = alternatives?.length ?? 0
  return isTerminal && rivals > 0 ? `${ticker} (1 of ${rivals + 1})` : (ticker ?? '')
}

function dayOf(date: Date | null): string {
  return date && !Number.isNaN(date.getTime()) ? date.toISOString().slice(0, 10) : ''
}
