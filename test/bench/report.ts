import Table from 'cli-table3'
import type { Result } from './harness.ts'
import type { Size } from './load.ts'
import type { Machine } from './machine.ts'

export interface Report {
  readonly date: string
  readonly machine: Machine
  readonly server: string
  readonly size: Size
  readonly rounds: number
  readonly results: Result[]
  readonly peakMemory: { readonly nodeMiB: number; readonly serverMiB: number | null }
}

export function asText(report: Report): string {
  const { machine, size, peakMemory } = report
  const table = new Table({
    head: ['', 'measurement', 'baseline', 'pgfigi', 'ratio', 'wanted', ''],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'left'],
  })
  for (const result of report.results) {
    table.push([
      result.name,
      result.title,
      amount(result.baseline, result.unit),
      amount(result.ours, result.unit),
      result.ratio.toFixed(2),
      `${result.kind === 'time' ? '<=' : '>='} ${result.target}`,
      result.isMet ? '' : 'MISSED',
    ])
  }
  const megabytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`
  return [
    `${report.date}  ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB  ${report.server}  Node ${machine.node}`,
    `${size.identifiers} identifiers in ${size.rows} rows: table ${megabytes(size.tableBytes)}, indexes ${megabytes(size.indexBytes)}`,
    table.toString(),
    `Medians of ${report.rounds} rounds (slow ones: at least 3); a ratio is the median of the rounds' ratios (throughput: ours / baseline; time: ours / baseline; the client: baseline / ours).`,
    `Peak memory: this process ${peakMemory.nodeMiB} MiB, the server without shared buffers ${peakMemory.serverMiB ?? '?'} MiB.`,
  ].join('\n')
}

function amount(value: number, unit: Result['unit']): string {
  if (unit === 'tps') return `${Math.round(value)} /s`
  return value < 10 ? `${value.toFixed(2)} ms` : `${value.toFixed(0)} ms`
}
