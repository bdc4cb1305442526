import Table from 'cli-table3'
import { isAtMost, type Result } from './harness.ts'
import type { Size } from './load.ts'
import type { Machine, PeakMemory } from './machine.ts'

export interface Report {
  readonly date: string
  readonly machine: Machine
  readonly server: string
  readonly sizes: readonly Size[]
  readonly rounds: number
  readonly results: Result[]
  readonly peakMemory: PeakMemory
  readonly seconds: number
}

export function asText(report: Report): string {
  const { machine, sizes, peakMemory } = report
  const table = new Table({
    head: ['', 'rows', 'measurement', 'baseline', 'pgfigi', 'ratio', 'wanted', '', 'took'],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'right', 'left', 'right', 'right', 'right', 'right', 'left', 'right'],
  })
  for (const result of report.results) {
    table.push([
      result.name,
      result.rows,
      result.title,
      amount(result.baseline, result.unit),
      amount(result.ours, result.unit),
      result.ratio.toFixed(2),
      result.target === null ? '' : `${isAtMost(result.kind) ? '<=' : '>='} ${result.target}`,
      result.isMet ? '' : 'MISSED',
      `${result.seconds.toFixed(0)} s`,
    ])
  }
  const aims = report.results.filter(({ target }) => target !== null)
  const missed = aims.filter(({ isMet }) => !isMet).length
  return [
    `${report.date}  ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB  ${report.server}  Node ${machine.node}`,
    ...sizes.map(sizeText),
    table.toString(),
    `${aims.length - missed} of ${aims.length} aims are met. The whole run took ${report.seconds} s.`,
    `Medians of ${report.rounds} rounds (slow ones: at least 3, those of a minute 1); a ratio is the median of the rounds' ratios (throughput: ours / baseline; time: ours / baseline; speed: baseline / ours).`,
    `Peak memory: this process ${peakMemory.nodeMiB} MiB; the server without shared buffers ${peakMemory.serverMiB ?? '?'} MiB, its largest session ${peakMemory.sessionMiB ?? '?'} MiB.`,
  ].join('\n')
}

function sizeText(size: Size): string {
  const megabytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`
  const loaded = size.loadSeconds === null ? '' : `; loaded in ${size.loadSeconds.toFixed(0)} s`
  return (
    `${size.identifiers} identifiers and ${size.changed} with ten periods in ${size.rows} rows: ` +
    `table ${megabytes(size.tableBytes)}, indexes ${megabytes(size.indexBytes)}${loaded}`
  )
}

function amount(value: number, unit: Result['unit']): string {
  if (unit === 'tps') return `${Math.round(value)} /s`
  if (unit === 'MiB') return `${value.toFixed(0)} MiB`
  return value < 1
    ? `${value.toFixed(3)} ms`
    : value < 10
      ? `${value.toFixed(2)} ms`
      : `${value.toFixed(0)} ms`
}
