import { isDump, readDump } from './dump.ts'
import { isFtd, readFtd } from './ftd.ts'
import { readJson } from './json.ts'
import type { Item, ReadOptions } from './records.ts'
import { rejectsHead } from './rejects.ts'
import { requireText } from './require_text.ts'
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

function readerOf(beginning: string, { name }: Source): typeof readJson {
  requireText(beginning, name)
  if (isDump(beginning)) return readDump
  if (/^\s*[{[]/.test(beginning)) return readJson
  return isFtd(beginning) ? readFtd : readTabular
}
