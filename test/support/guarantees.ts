import { join } from 'node:path'
import { packageRoot } from './cluster.ts'

/** The document whose tables have a row for each promise: fault, promise, tests, figures of the last run. */
export const guaranteesFile = join(packageRoot, 'docs', 'guarantees.md')

const testLink = /\]\(\.\.\/(test\/[^)]+\.test\.ts)\)/g
const lastRun = /^The last run: .*$/m

/** The cells of a table's row; null for any other line. */
function cellsOf(line: string): string[] | null {
  if (!/^\|.*\|$/.test(line) || /^\|[-| :]+\|$/.test(line)) return null
  return line
    .slice(1, -1)
    .split('|')
    .map((cell) => cell.trim())
}

/** The tests in one cell or in the whole document, each once, in their order. */
export function testsNamedIn(text: string): string[] {
  return [...new Set([...text.matchAll(testLink)].map(([, file]) => file ?? ''))]
}

/** Rows that promise something: the four cells of each. */
export function promisesIn(document: string): string[][] {
  return document.split('\n').flatMap((line) => {
    const cells = cellsOf(line)
    return cells?.some((cell) => testsNamedIn(cell).length > 0) ? [cells] : []
  })
}

/** The document with these figures, by test; rows whose tests did not run keep theirs. */
export function withFigures(document: string, figures: ReadonlyMap<string, string>, when: string): string {
  const lines = document.split('\n').map((line) => {
    const cells = cellsOf(line)
    if (cells?.length !== 4) return line
    const told = testsNamedIn(cells[2] ?? '').flatMap((file) => figures.get(file) ?? [])
    if (told.length === 0) return line
    const figure = told.join('. ').replaceAll('|', '/')
    return `| ${[...cells.slice(0, 3), figure].join(' | ')} |`
  })
  return lines.join('\n').replace(lastRun, `The last run: ${when}.`)
}
