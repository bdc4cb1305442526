import { jsonParser, type Token } from 'stream-json/core/parser.js'
import { ImportError } from '../errors/import_error.ts'
import { deepest } from './json_of_line.ts'
import { ShortStrings } from './json_short_strings.ts'

export type { Token }

/**
 * The tokens of JSON values one after the other, as many at a time as a piece of text holds: a pipeline of streams would
 * hand them on one by one, which takes ten times as long. Throws an ImportError for what is no JSON, and at a value that
 * never ends.
 */
export async function* tokensOf(text: AsyncIterable<string>, file: string): AsyncGenerator<readonly Token[]> {
  const parse = jsonParser({ streamValues: false, jsonStreaming: true })
  const strings = new ShortStrings(file)
  let depth = 0
  for await (const piece of text) {
    const short = strings.shortened(piece)
    let tokens: readonly Token[]
    try {
      tokens = valuesOf(parse(short))
    } catch (error) {
      throw new ImportError(file, `is no whole JSON: ${(error as Error).message}.`, { cause: error })
    }
    strings.parsed(short, tokens.length > 0)
    for (const { name } of tokens) {
      if (name === 'startObject' || name === 'startArray') depth += 1
      else if (name === 'endObject' || name === 'endArray') depth -= 1
      if (depth > deepest)
        throw new ImportError(file, `is no cache: its values are nested more than ${deepest} deep.`)
    }
    yield tokens
  }
  if (depth > 0) throw new ImportError(file, 'is cut off: its JSON ends in the middle.')
}

/** The parser gives either tokens or a symbol for none. */
function valuesOf(result: unknown): readonly Token[] {
  return typeof result === 'object' && result !== null && 'values' in result ? (result.values as Token[]) : []
}

const scalars: ReadonlySet<string> = new Set([
  'stringValue',
  'numberValue',
  'nullValue',
  'trueValue',
  'falseValue',
])

/** The value of a token that is one by itself; undefined for the others. */
export function scalarOf(token: Token): string | number | boolean | null | undefined {
  if (!scalars.has(token.name)) return undefined
  const { value } = token as { value: string | boolean | null }
  return token.name === 'numberValue' ? Number(value) : value
}
