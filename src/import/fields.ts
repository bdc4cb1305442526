import { ownCopy } from './own_copy.ts'

/** What a column or a key can mean to us. */
export type Field = keyof typeof names

/** Fields by what people call them, the best first; case, blanks, hyphens and underscores do not count. */
const names = {
  cusip: ['cusip', 'cusip9', 'cusipcode', 'cusipnumber', 'cusipno', 'cins', 'idcusip'],
  isin: ['isin', 'isincode', 'isinnumber', 'isinno', 'idisin'],
  identifier: ['identifiervalue', 'idvalue', 'identifier', 'securityid', 'value', 'id', 'key'],
  identifierType: ['identifiertype', 'idtype', 'type'],
  ticker: ['ticker', 'symbol', 'tickersymbol'],
  start: ['startdate', 'start', 'startat', 'from', 'validfrom', 'fromdate', 'effectivefrom'],
  end: ['enddate', 'end', 'endat', 'to', 'until', 'validto', 'validuntil', 'todate', 'effectiveto'],
  date: [
    ...[
      'queriedat',
      'fetchedat',
      'lastfetcheddate',
      'lastfetchedat',
      'lastfetched',
      'observedat',
      'retrievedat',
    ],
    ...[
      'resolvedat',
      'cachedat',
      'timestamp',
      'asof',
      'asofdate',
      'updatedat',
      'lastupdated',
      'updated',
      'date',
    ],
    ...['generatedat', 'exportedat', 'savedat', 'ts', 'time', 'createdat', 'created'],
  ],
  hasNoResults: ['hasnoresults', 'noresults', 'notfound'],
  found: ['found'],
  success: ['success', 'ok'],
  status: ['status', 'state', 'outcome'],
  error: ['error', 'errors', 'errormessage', 'exception'],
  warning: ['warning'],
  listings: ['data', 'listings', 'listing', 'results', 'result', 'mapping', 'matches'],
  figi: ['figi'],
  composite_figi: ['compositefigi'],
  share_class_figi: ['shareclassfigi'],
  name: ['name', 'securityname', 'companyname', 'issuername', 'description'],
  exch_code: ['exchcode', 'exchangecode', 'exchange'],
  security_type: ['securitytype'],
  security_type2: ['securitytype2'],
  market_sector: ['marketsector', 'sector'],
} as const

/** The fields that are columns of security_mappings under the same names. */
export const detailFields = [
  ...(['figi', 'composite_figi', 'share_class_figi', 'name', 'exch_code'] as const),
  ...(['security_type', 'security_type2', 'market_sector'] as const),
]

interface Meaning {
  readonly field: Field
  /** The smaller, the surer. */
  readonly rank: number
}

const meanings = new Map<string, Meaning>(
  Object.entries(names).flatMap(([field, spellings]) =>
    spellings.map((spelling, rank): [string, Meaning] => [spelling, { field: field as Field, rank }]),
  ),
)

/** Files repeat their keys; foreign ones are not kept without end. */
const known = new Map<string, Meaning | null>()
const mostKnown = 10_000

const longestName = 60

/** What a column or key is called means to us; null where nothing. */
export function meaningOf(name: string): Meaning | null {
  if (name.length > longestName) return null
  const found = known.get(name)
  if (found !== undefined) return found
  const meaning = meanings.get(name.toLowerCase().replace(/[^a-z0-9]/g, '')) ?? null
  if (known.size < mostKnown) known.set(ownCopy(name), meaning)
  return meaning
}

export type Fields = Partial<Record<Field, unknown>>

const isBlank = (value: unknown) => value == null || (typeof value === 'string' && value.trim() === '')

/** The fields of an object. Of several keys for one field the best that is not blank counts. */
export function fieldsOf(object: Readonly<Record<string, unknown>>): Fields {
  const fields: Fields = {}
  const ranks: Partial<Record<Field, number>> = {}
  for (const name of Object.keys(object)) {
    const meaning = meaningOf(name)
    if (meaning === null) continue
    const { field, rank } = meaning
    const before = ranks[field]
    const isBetter = before === undefined || (isBlank(fields[field]) ? !isBlank(object[name]) : rank < before)
    if (!isBetter || (before !== undefined && isBlank(object[name]))) continue
    fields[field] = object[name]
    ranks[field] = rank
  }
  return fields
}

/** What each column means to us; null where nothing, or what a better named one means already. */
export function fieldsOfColumns(names: readonly string[]): (Field | null)[] {
  const meanings = names.map(meaningOf)
  const best = new Map<Field, Meaning & { readonly column: number }>()
  for (const [column, meaning] of meanings.entries()) {
    if (meaning === null) continue
    const before = best.get(meaning.field)
    if (before === undefined || meaning.rank < before.rank) best.set(meaning.field, { ...meaning, column })
  }
  return meanings.map((meaning, column) =>
    meaning !== null && best.get(meaning.field)?.column === column ? meaning.field : null,
  )
}
