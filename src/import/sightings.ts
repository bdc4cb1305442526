import {
  type Identifier,
  type IdentifierType,
  identify,
  normalizeIdentifier,
  parseIdentifierType,
} from '../identifiers.ts'
import { type Fields, fieldsOf } from './fields.ts'
import { parseInstant } from './instants.ts'
import { type Item, type Place, type ReadOptions, reject, type Sighting, shown } from './records.ts'
import { type Verdict, verdictOf, verdictOfFields } from './verdict.ts'

/** The instants that stand in for a record's own date. */
export interface Dates {
  /** The date of the whole: the `updated_at` of its container, else `--observed-at`. Null where there is neither. */
  readonly stated: number | null
  /** When the file was last changed. */
  readonly modifiedAt: number
}

/** A record of which the text is only made where it is rejected. */
interface Origin {
  readonly place: Place
  text(): string
}

/** Clocks and time zones differ: what seems to be seen so little after now is taken to be seen now. */
const toleranceMs = 86_400_000

/** What `pgfigi export` has for the date of a negative that nobody could date. */
const unknownDate = Date.UTC(1900, 0, 1)

/** Turns what records say into sightings, by the rules of docs/importing.md. */
export class SightingMaker {
  readonly #options: ReadOptions
  readonly #dates: Dates

  constructor(options: ReadOptions, dates: Dates) {
    this.#options = options
    this.#dates = dates
  }

  /** Of an entry `identifier: value`. */
  ofEntry(key: string, value: unknown, origin: Origin): Item[] {
    const identifier = identifierOf(this.#options.type, key)
    const fields = isObject(value) ? fieldsOf(value) : null
    if (identifier === null && fields !== null && hasIdentifier(fields)) return this.ofFields(fields, origin)
    if (identifier === null)
      return [reject(origin.place, noIdentifier(this.#options.type, key), origin.text())]
    const context = { identifier, preference: this.#options.preference }
    const verdict =
      fields === null ? verdictOf(value, context) : verdictOfFields(withValue(fields, value), context)
    return [this.#sighting(identifier, verdict, fields ?? {}, origin)]
  }

  /** Of an object that names its own identifier. */
  ofObject(value: unknown, origin: Origin): Item[] {
    if (!isObject(value))
      return [reject(origin.place, 'it is no object with an identifier in it', origin.text())]
    return this.ofFields(fieldsOf(value), origin)
  }

  /** Of the fields of a row or object: one item for each identifier in it, which may be a CUSIP and an ISIN. */
  ofFields(fields: Fields, origin: Origin): Item[] {
    const { type } = this.#options
    const items: Item[] = []
    for (const [raw, wanted] of identifiersIn(fields, type)) {
      const identifier = typeof wanted === 'object' ? null : identifierOf(wanted, raw)
      if (identifier === null) {
        const reason = typeof wanted === 'object' ? wanted.problem : noIdentifier(wanted, raw)
        items.push(reject(origin.place, reason, origin.text()))
        continue
      }
      const verdict = verdictOfFields(fields, { identifier, preference: this.#options.preference })
      items.push(this.#sighting(identifier, verdict, fields, origin))
    }
    return items.length > 0 ? items : [reject(origin.place, 'it has no identifier', origin.text())]
  }

  #sighting(identifier: Identifier, verdict: Verdict, fields: Fields, { place, text }: Origin): Item {
    if (typeof verdict === 'string') return reject(place, verdict, text())
    const time = this.#timeOf(fields, verdict.ticker === null)
    if (typeof time === 'string') return reject(place, time, text())
    const { type, value } = identifier
    const { ticker, details } = verdict
    const { from, until, heldAt } = time
    return { kind: 'sighting', type, value, ticker, from, until, heldAt, details, source: 'import' }
  }

  #timeOf(fields: Fields, isNegative: boolean): Pick<Sighting, 'from' | 'until' | 'heldAt'> | string {
    const start = this.#instant(fields.start, 'start')
    const end = this.#instant(fields.end, 'end')
    const own = this.#instant(fields.date, 'date')
    for (const instant of [start, end, own]) if (typeof instant === 'string') return instant
    return this.#time(start as Instant, end as Instant, own as Instant, isNegative)
  }

  #time(
    start: Instant,
    end: Instant,
    own: Instant,
    isNegative: boolean,
  ): Pick<Sighting, 'from' | 'until' | 'heldAt'> | string {
    const { modifiedAt } = this.#dates
    const stated = own ?? this.#dates.stated
    const observed = stated ?? modifiedAt
    if (start === null && end !== null) return 'it has an end but no start'
    const isDateless = own !== null && (own <= unknownDate || (start !== null && own < start))
    if (isNegative && isDateless && end === null) {
      return { from: null, until: null, heldAt: start ?? this.#dates.stated ?? modifiedAt }
    }
    if (start === null) {
      const from = stated === null && isNegative ? null : observed
      return { from, until: null, heldAt: observed }
    }
    if (end !== null && start >= end) return 'it ends when it begins, or before'
    // 9999-12-31 is how many write "still valid"
    if (end !== null && end <= this.#options.now) return { from: start, until: end, heldAt: null }
    if (start >= observed) return { from: start, until: null, heldAt: start }
    return { from: start, until: observed, heldAt: observed }
  }

  /** Null where there is none; a text where it is none that we can read, or cannot have been. */
  #instant(raw: unknown, field: 'start' | 'end' | 'date'): Instant | string {
    if (raw === null || raw === undefined || raw === '') return null
    const { now } = this.#options
    const instant = parseInstant(raw)
    if (instant === null) {
      if (field === 'end' && typeof raw === 'string' && /^(infinity|null|none)?$/i.test(raw.trim()))
        return null
      if (typeof raw === 'string' && raw.trim() === '') return null
      return `its ${field} ${shown(raw)} is no date that can be read for certain: 2021-03-09, 20210309 or 2021-03-09T14:30:00Z can`
    }
    if (field === 'end' || instant <= now) return instant
    return instant <= now + toleranceMs ? now : `its ${field} ${shown(raw)} is in the future`
  }
}

type Instant = number | null

/** Generic caches have `{value, expires}`: where the identifier is known, the value is what it was looked up for. */
function withValue(fields: Fields, entry: unknown): Fields {
  const hasAnswer = 'ticker' in fields || 'listings' in fields
  const { value } = entry as { value?: unknown }
  return hasAnswer || value === undefined ? fields : { ...fields, listings: value }
}

/** `ID_CUSIP:037833100` */
const prefix = /^(?:ID_)?(CUSIP|CINS|ISIN)\s*[:|/_-]\s*/i

/** The identifier that a text means, perhaps with its type before it. */
export function identifierOf(type: IdentifierType | undefined, raw: string): Identifier | null {
  const found = type === undefined ? identify(raw) : normalizeIdentifier(type, raw)
  if (found !== null) return found
  const named = prefix.exec(raw)
  return named === null ? null : normalizeIdentifier(type ?? typeNamed(named[1]), raw.slice(named[0].length))
}

/** What type a name means; OpenFIGI's own names too. */
function typeNamed(raw: unknown): IdentifierType | null {
  const name = typeof raw === 'string' ? raw.trim().replace(/^ID_/i, '') : ''
  return /^cins$/i.test(name) ? 'CUSIP' : parseIdentifierType(name)
}

type Wanted = IdentifierType | undefined | { readonly problem: string }

/** The texts that should be identifiers, and of which type. */
function identifiersIn(fields: Fields, given: IdentifierType | undefined): [string, Wanted][] {
  const found: [string, Wanted][] = []
  for (const [field, type] of [['cusip', 'CUSIP'] as const, ['isin', 'ISIN'] as const]) {
    const raw = identifierText(fields[field])
    if (raw !== '' && (given === undefined || given === type)) found.push([raw, type])
  }
  if (found.length > 0) return found
  const raw = identifierText(fields.identifier)
  if (raw === '') return []
  const name = typeof fields.identifierType === 'string' ? fields.identifierType.trim() : ''
  const type = typeNamed(name)
  if (type !== null) return [[raw, type]]
  const isUnknown = name !== '' && given === undefined && identify(raw) === null
  return [[raw, isUnknown ? { problem: `its type ${shown(name)} is neither CUSIP nor ISIN` } : given]]
}

export function hasIdentifier(fields: Fields): boolean {
  return identifiersIn(fields, undefined).some(
    ([raw, type]) => typeof type !== 'object' && identifierOf(type, raw) !== null,
  )
}

const identifierText = (raw: unknown) =>
  typeof raw === 'string' ? raw.trim() : typeof raw === 'number' ? String(raw) : ''

function noIdentifier(type: IdentifierType | undefined, raw: string): string {
  const kind = type === undefined ? 'neither a CUSIP nor an ISIN' : type === 'CUSIP' ? 'no CUSIP' : 'no ISIN'
  return `${shown(raw)} is ${kind}: the length or the check digit is wrong`
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
