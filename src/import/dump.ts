import { ImportError } from '../errors/import_error.ts'
import { problemOfRow } from './dump_row.ts'
import { jsonOfLine } from './json_of_line.ts'
import { LongLines, linesOf } from './lines.ts'
import { type DumpRow, type Item, type ReadOptions, type Reject, reject } from './records.ts'
import type { Source } from './source.ts'
import { textOf } from './text.ts'

const versions = [1]

/** Whether a text begins as a dump of pgfigi does. */
export const isDump = (beginning: string): boolean => /^\s*\{\s*"pgfigi_dump"\s*:/.test(beginning)

const tables = ['security_mappings', 'sightings'] as const

/** The rows of a dump, as they are. Throws an ImportError for a dump of a pgfigi that is newer than this one. */
export async function* readDump(source: Source, options: ReadOptions): AsyncGenerator<Item[]> {
  const long = new LongLines(source.name)
  for await (const { first, lines } of linesOf(textOf(source, options), long)) {
    const items = lines.flatMap((text, n) => {
      if (text.trim() === '') return []
      if (isDump(text)) {
        checkVersion(text, source.name)
        return []
      }
      return rowOf(text, { file: source.name, line: first + n })
    })
    yield [...long.take(), ...items]
  }
  yield long.take()
}

function rowOf(text: string, place: DumpRow['place']): DumpRow | Reject {
  const line = jsonOfLine(text)
  if ('problem' in line) return reject(place, line.problem, text)
  const value = line.value as Record<string, unknown> | null
  // What jsonb cannot hold would fail the whole batch.
  if (/\\u(0000|d[89a-f])/i.test(JSON.stringify(value)))
    return reject(place, 'it has a character that cannot be stored', text)
  for (const table of tables) {
    const row = value?.[table]
    if (typeof row === 'object' && row !== null && !Array.isArray(row)) {
      const problem = problemOfRow(table, row as DumpRow['row'])
      return problem === null
        ? { kind: 'dump', table, row: row as DumpRow['row'], place }
        : reject(place, problem, text)
    }
  }
  return reject(place, `it is a row of neither ${tables.join(' nor ')}`, text)
}

function checkVersion(text: string, file: string): void {
  const version = /"pgfigi_dump"\s*:\s*(\d+)/.exec(text)?.[1]
  if (versions.includes(Number(version))) return
  throw new ImportError(
    file,
    `is a dump of a form (${version ?? 'none'}) that this pgfigi cannot read: use the one that made it, or a newer one.`,
  )
}
