import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { HoldingRow, Holdings } from '../../src/holdings/holdings.ts'
import { openHoldingsFile } from '../../src/holdings/open_holdings_file.ts'
import { withFolder } from '../import/reading.ts'

export interface ReadHoldings {
  readonly holdings: Holdings
  readonly rows: HoldingRow[]
  readonly warnings: string[]
}

/** A file with this content, read as holdings. */
export function readHoldings(
  content: string | Buffer,
  columns: readonly string[] = [],
  dateColumn?: string,
): Promise<ReadHoldings> {
  return withFolder(async (folder) => {
    const path = join(folder, 'holdings')
    await writeFile(path, content)
    const { signal } = new AbortController()
    await using file = await openHoldingsFile(path, { columns, dateColumn }, Readable.from([]), signal)
    const rows: HoldingRow[] = []
    const warnings: string[] = []
    const onWarning = (sentence: string) => warnings.push(sentence)
    for await (const some of file.holdings.rows({ onWarning })) rows.push(...some)
    return { holdings: file.holdings, rows, warnings }
  })
}
