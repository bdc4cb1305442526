import type { Readable } from 'node:stream'
import { ImportError } from '../errors/import_error.ts'
import { openSources } from '../import/open_sources.ts'
import type { Holdings, Wanted } from './holdings.ts'
import { openHoldings } from './open_holdings.ts'

export interface HoldingsFile extends AsyncDisposable {
  readonly holdings: Holdings
  /** In bytes on the disk, packed as it may be. */
  readonly size: number
}

/**
 * A file of holdings by its path, plain or packed by gzip or zip; `-` is stdin, which is kept in a temporary file until this is
 * disposed of. Throws as openHoldings does.
 */
export async function openHoldingsFile(
  path: string,
  wanted: Wanted,
  stdin: Readable,
  signal: AbortSignal,
): Promise<HoldingsFile> {
  await using opening = new AsyncDisposableStack()
  const { sources, size } = opening.use(await openSources([path], stdin, signal))
  const [source, another] = sources
  if (!source || another) throw new ImportError(path, 'holds several files: one at a time can be read.')
  const holdings = await openHoldings(source, wanted)
  const opened = opening.move()
  return { holdings, size, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}
