import type { Source } from '../import/source.ts'
import { readBeginning } from './beginning.ts'
import type { Holdings, Wanted } from './holdings.ts'
import { openJsonLines } from './json_lines.ts'
import { openTable } from './table.ts'

/**
 * A file of holdings, and where its identifiers are, told from its beginning. Throws an ImportError for what is neither a
 * table nor JSON lines, and a ColumnError where a column cannot be found.
 */
export async function openHoldings(source: Source, wanted: Wanted): Promise<Holdings> {
  const file = await readBeginning(source)
  return /^\s*[{[]/.test(file.beginning) ? openJsonLines(file, wanted) : openTable(file, wanted)
}
