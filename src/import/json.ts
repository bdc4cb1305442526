import Assembler from 'stream-json/core/assembler.js'
import { meaningOf } from './fields.ts'
import { parseInstant } from './instants.ts'
import { readJsonLines } from './json_lines.ts'
import { type Survey, survey } from './json_survey.ts'
import { scalarOf, type Token, tokensOf } from './json_tokens.ts'
import { longestRecord, tooLong } from './lines.ts'
import { type Item, itemsAtOnce, type ReadOptions, shown } from './records.ts'
import { identifierOf, SightingMaker } from './sightings.ts'
import type { Source } from './source.ts'
import { textOf } from './text.ts'

/** The sightings of a cache in JSON, in any of its shapes, or of JSON lines. Throws an ImportError for what is no JSON. */
export async function* readJson(source: Source, options: ReadOptions): AsyncGenerator<Item[]> {
  const found = await survey(source)
  const isLines = found.shape === 'lines'
  const stated = isLines ? null : dateOf(found, source, options)
  const dates = {
    stated: stated ?? options.observedAt ?? null,
    modifiedAt: Math.min(source.modifiedAt, options.now),
  }
  const maker = new SightingMaker(options, dates)
  if (isLines) yield* readJsonLines(source, options, maker)
  else yield* readValue(source, options, found, maker)
}

/** The date that the file gives itself. */
function dateOf({ about, shape }: Survey, source: Source, { now, onWarning }: ReadOptions): number | null {
  if (shape !== 'map' || about.date === undefined || about.date === null) return null
  const instant = parseInstant(about.date)
  if (instant !== null && instant <= now + 86_400_000) return Math.min(instant, now)
  onWarning(
    `${source.name} gives ${shown(about.date)} as its date, which cannot be one; it counts as having none.`,
  )
  return null
}

async function* readValue(
  source: Source,
  options: ReadOptions,
  found: Survey,
  maker: SightingMaker,
): AsyncGenerator<Item[]> {
  let items: Item[] = []
  let count = 0
  const entries = new Entries(found, (key, value) => {
    count += 1
    if (value === isTooLong) {
      items.push(tooLong({ file: source.name, line: count }, key ?? ''))
      return
    }
    const origin = {
      place: { file: source.name, line: count },
      text: () => JSON.stringify(key === null ? value : { [key]: value }),
    }
    const made = key === null ? maker.ofObject(value, origin) : maker.ofEntry(key, value, origin)
    for (const item of made) items.push(item)
  })
  for await (const tokens of tokensOf(textOf(source, options), source.name)) {
    for (const token of tokens) {
      entries.take(token)
      if (items.length < itemsAtOnce) continue
      yield items
      items = []
    }
  }
  yield items
}

/** Stands for a value that is too long to be kept. */
const isTooLong = Symbol('too long')

/** What a token takes beside its characters, roughly. */
const tokenLength = 8

/** Takes tokens, and tells the entries as each is whole: key null in a list. */
class Entries {
  readonly #survey: Survey
  readonly #tell: (key: string | null, value: unknown) => void
  /** Of the objects and lists that we are in and whose members are entries. */
  readonly #lists: boolean[] = []
  #assembler = new Assembler()
  #isAssembling = false
  /** Of what is being assembled, about, in characters. */
  #length = 0
  #skipped = 0
  #key: string | null = null

  constructor(found: Survey, tell: (key: string | null, value: unknown) => void) {
    this.#survey = found
    this.#tell = tell
  }

  take(token: Token): void {
    if (this.#skipped > 0) this.#skip(token)
    else if (this.#isAssembling) this.#assemble(token)
    else this.#step(token)
  }

  #step(token: Token): void {
    const { name } = token
    if (name === 'keyValue') {
      this.#key = token.value
    } else if (name === 'endObject' || name === 'endArray') {
      this.#lists.pop()
    } else if (name === 'startObject' || name === 'startArray') {
      this.#begin(token, name === 'startArray')
    } else {
      const key = this.#lists.at(-1) ? null : this.#key
      if (this.#lists.length === 1 && this.#isAbout(key)) return
      const value = scalarOf(token)
      if (value !== undefined) this.#tell(key, value)
    }
  }

  #begin(token: Token, isList: boolean): void {
    const depth = this.#lists.length
    if (depth === 0 && this.#survey.shape !== 'record') this.#lists.push(isList)
    else if (depth === 1 && this.#key !== null && this.#survey.containers.has(this.#key))
      this.#lists.push(isList)
    else if (depth === 1 && this.#isAbout(this.#lists[0] ? null : this.#key)) this.#skipped = 1
    else {
      this.#isAssembling = true
      this.#length = 0
      this.#assemble(token)
    }
  }

  #assemble(token: Token): void {
    this.#assembler.consume(token)
    if ('value' in token && typeof token.value === 'string') this.#length += token.value.length
    this.#length += tokenLength
    if (this.#assembler.done) {
      this.#tellWhole(this.#assembler.current)
    } else if (this.#length > longestRecord) {
      this.#skipped = this.#assembler.depth
      this.#assembler = new Assembler() // lets go of what it has
    }
  }

  #tellWhole(value: unknown): void {
    this.#isAssembling = false
    const isMember = this.#lists.length > 0 && !this.#lists.at(-1)
    this.#tell(isMember ? this.#key : null, value)
  }

  #skip({ name }: Token): void {
    if (name === 'startObject' || name === 'startArray') this.#skipped += 1
    else if (name === 'endObject' || name === 'endArray') this.#skipped -= 1
    if (this.#skipped === 0 && this.#isAssembling) this.#tellWhole(isTooLong)
  }

  /** Whether a key of the whole says something about it, and is no entry. */
  #isAbout(key: string | null): boolean {
    if (key === null || this.#survey.shape !== 'map') return false
    if (identifierOf(undefined, key) !== null) return false
    return this.#survey.containers.size > 0 || aboutTheWhole.test(key) || meaningOf(key)?.field === 'date'
  }
}

const aboutTheWhole =
  /^([_$].*|(schema|format)?_?version|schema|source|count|total|size|comment|description|meta(data)?|info|generator|stats|ttl(_hours)?)$/i
