import { ImportError } from '../errors/import_error.ts'
import { isDump, readDump } from './dump.ts'
import { isFtd, readFtd } from './ftd.ts'
import { readJson } from './json.ts'
import type { Item, ReadOptions } from './records.ts'
import { rejectsHead } from './rejects.ts'
import type { Source } from './source.ts'
import { readTabular } from './tabular.ts'
import { beginningOf } from './text.ts'

/**
 * What a source says, in arrays of items in its order. What it is, is told from its content, never from its name.
 * Throws an ImportError where it cannot be read, or is nothing that we know; items may have come before.
 */
export async function* read(source: Source, options: ReadOptions): AsyncGenerator<Item[]> {
  const beginning = await beginningOf(source)
  if (beginning.startsWith(`${rejectsHead}\n`)) {
    options.onWarning(`${source.name} lists what an earlier import rejected, and is passed over.`)
    return
  }
  for await (const items of readerOf(beginning, source)(source, options)) if (items.length > 0) yield items
}

/** How gzip and zip begin, read as a text. */
const packed = ['\x1f\u2039', 'PK\x03\x04']

function readerOf(beginning: string, { name }: Source): typeof readJson {
  if (beginning.trim() === '') throw new ImportError(name, 'is empty.')
  if (packed.some((magic) => beginning.startsWith(magic)))
    throw new ImportError(name, 'is packed twice: unpack it once, and import what comes out.')
  if (beginning.includes('\0'))
    throw new ImportError(
      name,
      'is no text: a CSV, JSON or SEC file is needed, as it is or packed by gzip or zip.',
    )
  if (isDump(beginning)) return readDump
  if (/^\s*[{[]/.test(beginning)) return readJson
  return isFtd(beginning) ? readFtd : readTabular
}
