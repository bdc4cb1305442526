import { ImportError } from '../errors/import_error.ts'
import type { Beginning } from './beginning.ts'
import { identifierColumns, placeOf } from './columns.ts'
import type { HoldingRow, Holdings, Reading, Wanted } from './holdings.ts'
import { firstLinesOf, linesOfFile } from './lines_of_file.ts'

const sampleSize = 1_000

type JsonObject = Readonly<Record<string, unknown>>

/** A JSON object a line. Its columns are the keys of the objects themselves, not of what is in them. */
export async function openJsonLines(file: Beginning, wanted: Wanted): Promise<Holdings> {
  const { source, lineEnd, isMarked } = file
  const objects = await firstObjectsOf(file)
  const names = [...new Set(objects.flatMap((object) => Object.keys(object)))]
  const rows = objects.map((object) => names.map((name) => textOf(object[name])))
  const sample = { file: source.name, names, rows }
  const columns = identifierColumns(sample, wanted)
  const keys = columns.map(({ name }) => name)
  const dateKey = wanted.dateColumn === undefined ? null : (names[placeOf(wanted.dateColumn, sample)] ?? '')
  const rowOf = (line: number, given: string): HoldingRow => {
    const text = given.trimEnd()
    const object = text === '' ? null : objectIn(text)
    return {
      kind: text === '' ? 'between' : object === null ? 'broken' : 'row',
      line,
      text,
      identifiers: object === null ? [] : keys.map((key) => textOf(object[key])),
      date: dateKey === null || object === null ? null : textOf(object[dateKey]),
      width: 0,
    }
  }
  return {
    name: source.name,
    format: 'jsonl',
    delimiter: ',',
    lineEnd,
    isMarked,
    names,
    hasHead: false,
    columns,
    async *rows(reading?: Reading) {
      for await (const { first, lines } of linesOfFile(file, reading))
        yield lines.map((text, n) => rowOf(first + n, text))
    },
  }
}

async function firstObjectsOf(file: Beginning): Promise<JsonObject[]> {
  const objects: JsonObject[] = []
  let isFirst = true
  for await (const { lines } of firstLinesOf(file)) {
    for (const line of lines.slice(0, sampleSize)) {
      if (line.trim() === '') continue
      const object = objectIn(line)
      if (object !== null) objects.push(object)
      else if (isFirst) {
        const isCut = !file.isWhole && !/[\r\n]/.test(file.beginning.trim())
        if (isCut) throw new ImportError(file.source.name, 'has a first line that is longer than 256 KB.')
        throw new ImportError(
          file.source.name,
          "is JSON, but not one object a line, as JSON lines have it. `jq -c '.[]'` makes lines of a list.",
        )
      }
      isFirst = false
    }
  }
  return objects
}

function objectIn(line: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : null
  } catch {
    return null
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : ''
}
