import { ImportError } from '../errors/import_error.ts'
import { type Fields, fieldsOf, meaningOf } from './fields.ts'
import { jsonOfLine } from './json_of_line.ts'
import { scalarOf, tokensOf } from './json_tokens.ts'
import { hasIdentifier, identifierOf } from './sightings.ts'
import type { Source } from './source.ts'
import { beginningOf, textOf } from './text.ts'

/** How the records of a JSON file are laid out. */
export interface Survey {
  /** map: `{identifier: value}`; list: `[record]`; record: one alone; lines: a value a line. */
  readonly shape: 'map' | 'list' | 'record' | 'lines'
  /** Keys of a map under which the entries are, beside what is said of the whole. */
  readonly containers: ReadonlySet<string>
  /** What is said of the whole, wherever it stands: `updated_at`, `as_of`. */
  readonly about: Fields
}

/** Under these the entries are, where there is an object or a list under them. */
const containerNames =
  /^(mappings?|cache|entries|data|tickers|results?|records|items|values|identifiers|securities|lookups?|cusips?|isins?)$/i

/** More is no metadata. */
const mostAbout = 100

/**
 * Reads the first value of a JSON file through, and a little of what follows: what is said of the whole may stand after
 * the entries. Throws an ImportError for what is no JSON.
 */
export async function survey(source: Source): Promise<Survey> {
  const surveyor = new Surveyor()
  try {
    for await (const tokens of tokensOf(textOf(source), source.name)) {
      for (const token of tokens) if (surveyor.isDoneAfter(token)) return surveyor.result('lines')
      if (surveyor.isList) return surveyor.result('list')
    }
  } catch (error) {
    // One bad line of many is a bad line.
    if (error instanceof ImportError && (await looksLikeLines(source))) return surveyor.result('lines')
    throw error
  }
  return surveyor.result(surveyor.isRecord() ? 'record' : 'map')
}

class Surveyor {
  isList = false
  #depth = 0
  #isFirstOver = false
  #key = ''
  #hasIdentifierKey = false
  readonly #containers = new Set<string>()
  readonly #about: Record<string, unknown> = {}
  #aboutCount = 0

  /** Whether all is known that can be: a second value has begun, or the first is a list. */
  isDoneAfter(token: Parameters<typeof scalarOf>[0]): boolean {
    if (this.#isFirstOver) return true
    const { name } = token
    if (name === 'endObject' || name === 'endArray') {
      this.#depth -= 1
      this.#isFirstOver = this.#depth === 0
    } else if (name === 'startObject' || name === 'startArray') {
      if (this.#depth === 0) this.isList = name === 'startArray'
      if (this.#depth === 1 && containerNames.test(this.#key)) this.#containers.add(this.#key)
      this.#depth += 1
    } else if (name === 'keyValue') {
      if (this.#depth === 1) this.#see(token.value)
    } else if (this.#depth === 1 && this.#aboutCount < mostAbout && meaningOf(this.#key) !== null) {
      this.#about[this.#key] = scalarOf(token)
      this.#aboutCount += 1
    }
    return false
  }

  #see(key: string): void {
    this.#key = key
    this.#hasIdentifierKey ||= identifierOf(undefined, key) !== null
  }

  isRecord(): boolean {
    return !this.#hasIdentifierKey && hasIdentifier(fieldsOf(this.#about))
  }

  result(shape: Survey['shape']): Survey {
    const isRecord = shape === 'record'
    return { shape, containers: isRecord ? new Set() : this.#containers, about: fieldsOf(this.#about) }
  }
}

/** A line that is an object and more behind it, or two that seem to be objects. */
async function looksLikeLines(source: Source): Promise<boolean> {
  const lines = (await beginningOf(source)).split(/\r\n|\n|\r/).filter((line) => line.trim() !== '')
  const [first = '', second = ''] = lines
  if (!/^\s*\{/.test(first)) return false
  return /^\s*\{/.test(second) || (second !== '' && 'value' in jsonOfLine(first))
}
