import Table from 'cli-table3'
import { printable } from './output.ts'

export interface Column {
  readonly head: string
  /** Characters on a terminal: what is longer is cut there, and only there. */
  readonly width: number
}

/** A text, or one with a style for terminals. */
export type Cell = string | readonly [text: string, style: (text: string) => string]

const gap = 2
const sides = ['top', 'bottom', 'left', 'right', 'mid'].flatMap((side) => [
  side,
  `${side}-mid`,
  `${side}-left`,
  `${side}-right`,
])
const noLines = Object.fromEntries([...sides, 'middle'].map((name) => [name, '']))

/** Formats rows one at a time, so that a table may be of any length: in columns on a terminal, else separated by tabs. */
export function rowFormatter(
  columns: readonly Column[],
  isTerminal: boolean,
): (cells: readonly Cell[]) => string {
  if (!isTerminal)
    return (cells) => cells.map((cell) => printable(typeof cell === 'string' ? cell : cell[0])).join('\t')
  const options = {
    colWidths: columns.map(({ width }) => width + gap),
    chars: noLines,
    style: { 'padding-left': 0, 'padding-right': gap, head: [], border: [] },
  }
  return (cells) => {
    const table = new Table(options)
    table.push(
      cells.map((cell) => (typeof cell === 'string' ? printable(cell) : cell[1](printable(cell[0])))),
    )
    return table.toString().trimEnd()
  }
}
