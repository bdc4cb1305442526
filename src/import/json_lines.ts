import { fieldsOf } from './fields.ts'
import { jsonOfLine } from './json_of_line.ts'
import { LongLines, linesOf } from './lines.ts'
import { type Item, type ReadOptions, reject } from './records.ts'
import { hasIdentifier, type SightingMaker } from './sightings.ts'
import type { Source } from './source.ts'
import { textOf } from './text.ts'

/** The sightings of a file with a JSON object a line: a record, or `{identifier: value}`. A bad line is a bad line. */
export async function* readJsonLines(
  source: Source,
  options: ReadOptions,
  maker: SightingMaker,
): AsyncGenerator<Item[]> {
  const long = new LongLines(source.name)
  for await (const { first, lines } of linesOf(textOf(source, options), long)) {
    const items = lines.flatMap((text, n) => {
      if (text.trim() === '') return []
      return itemsOf(text, { place: { file: source.name, line: first + n }, text: () => text }, maker)
    })
    yield [...long.take(), ...items]
  }
  yield long.take()
}

function itemsOf(
  text: string,
  origin: Parameters<SightingMaker['ofObject']>[1],
  maker: SightingMaker,
): Item[] {
  const line = jsonOfLine(text)
  if ('problem' in line) return [reject(origin.place, line.problem, text)]
  const { value } = line
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return maker.ofObject(value, origin)
  const entries = Object.entries(value)
  const isMap = entries.length > 0 && !hasIdentifier(fieldsOf(value as Record<string, unknown>))
  if (!isMap || entries.some(([key]) => namesIdentifier.test(key))) return maker.ofObject(value, origin)
  return entries.flatMap(([key, inner]) => maker.ofEntry(key, inner, origin))
}

/** With one of these keys the object is a record, though what it names is no identifier. */
const namesIdentifier = /^(cusip|isin|identifier(_?value)?|id(_?value)?|ticker)$/i
