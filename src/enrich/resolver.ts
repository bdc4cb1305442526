import type { Identifier } from '../identifiers.ts'
import { type Answer, better, invalid, isOpen } from './answer.ts'
import { Recent } from './recent.ts'

/** What one row asks for: its identifiers, the best first, and perhaps another time than now. */
export interface Asked {
  readonly identifiers: readonly Identifier[]
  readonly asOf: Date | string | null
}

export interface ResolverOptions {
  /** What is known of identifiers, in their order. */
  lookUp(identifiers: readonly Identifier[], asOf: readonly (Date | string)[] | null): Promise<Answer[]>
  /** Asks OpenFIGI and waits for the answer; without it nothing is waited for. */
  readonly fetch?: ((identifier: Identifier) => Promise<Answer>) | undefined
}

/** Answers that are remembered between blocks, twice at most: files repeat their securities. */
const remembered = 20_000

/** One identifier at one time, however many rows ask for it. */
interface Entry {
  readonly identifier: Identifier
  readonly asOf: Date | string | null
  /** Resolves when there is an answer of the database. */
  looked: Promise<void>
  answer: Answer
  /** While OpenFIGI is asked. */
  fetching: Promise<Answer> | null
}

/** Answers rows, block by block: the known from the database at once, the unknown in time from OpenFIGI. */
export class Resolver {
  readonly #options: ResolverOptions
  readonly #recent = new Recent<Entry>(remembered)
  #fetching = 0
  #fetched = 0

  constructor(options: ResolverOptions) {
    this.#options = options
  }

  /** How many identifiers are being fetched. */
  get fetching(): number {
    return this.#fetching
  }

  /** How many have been, with a ticker or without. */
  get fetched(): number {
    return this.#fetched
  }

  /** An answer for each row, or the promise of one that has to be fetched first. Rejects where the database fails. */
  async answers(rows: readonly Asked[]): Promise<(Answer | Promise<Answer>)[]> {
    const found = await this.#entries(rows, 0)
    const others = rows.some(({ identifiers }) => identifiers.length > 1)
    return others
      ? this.#answersOfSeveral(rows, found)
      : found.map((entry) => this.#answer(entry ? [entry] : []))
  }

  /** For rows without a hit so far their further identifiers are looked up. */
  async #answersOfSeveral(
    rows: readonly Asked[],
    first: readonly (Entry | null)[],
  ): Promise<(Answer | Promise<Answer>)[]> {
    const found = first.map((entry) => (entry ? [entry] : []))
    const most = rows.reduce((most, { identifiers }) => Math.max(most, identifiers.length), 0)
    for (let place = 1; place < most; place += 1) {
      const open = rows.map((row, n) =>
        found[n]?.some(({ answer }) => answer.status === 'hit') ? null : row,
      )
      for (const [n, entry] of (await this.#entries(open, place)).entries()) if (entry) found[n]?.push(entry)
    }
    return found.map((entries) => this.#answer(entries))
  }

  /** The entry of each row's identifier at that place, looked up. */
  async #entries(rows: readonly (Asked | null)[], place: number): Promise<(Entry | null)[]> {
    const wanted: Entry[] = []
    const underWay = new Set<Promise<void>>()
    const { promise: looked, resolve, reject } = Promise.withResolvers<void>()
    looked.catch(() => {})
    const entries = rows.map((row) => {
      const identifier = row?.identifiers[place]
      if (!row || !identifier) return null
      const key = keyOf(identifier, row.asOf)
      const known = this.#recent.get(key)
      if (known) {
        if (known.looked !== looked) underWay.add(known.looked)
        return known
      }
      const entry: Entry = { identifier, asOf: row.asOf, looked, answer: invalid, fetching: null }
      this.#recent.set(key, entry)
      wanted.push(entry)
      return entry
    })
    await this.#lookUp(wanted).then(resolve, reject)
    await Promise.all([looked, ...underWay])
    return entries
  }

  async #lookUp(wanted: readonly Entry[]): Promise<void> {
    const ofNow = wanted.filter(({ asOf }) => asOf === null)
    const ofThen = wanted.filter(({ asOf }) => asOf !== null)
    await Promise.all(
      [ofNow, ofThen].map(async (entries) => {
        if (entries.length === 0) return
        const identifiers = entries.map(({ identifier }) => identifier)
        const times = entries === ofThen ? entries.map(({ asOf }) => asOf as Date | string) : null
        const answers = await this.#options.lookUp(identifiers, times)
        for (const [n, entry] of entries.entries()) entry.answer = answers[n] ?? invalid
      }),
    )
  }

  #answer(entries: readonly Entry[]): Answer | Promise<Answer> {
    const best = bestOf(entries)
    if (best.ticker !== null || !this.#options.fetch) return best
    const open = entries.filter(({ answer, asOf }) => asOf === null && isOpen(answer))
    return open.length === 0 ? best : this.#fetchInTurn(open, entries)
  }

  /** The first is asked for alone: most often that is the answer. */
  async #fetchInTurn(open: readonly Entry[], entries: readonly Entry[]): Promise<Answer> {
    for (const entry of open) {
      entry.fetching ??= this.#fetch(entry)
      const { ticker } = await entry.fetching
      if (ticker !== null) break
    }
    return bestOf(entries)
  }

  async #fetch(entry: Entry): Promise<Answer> {
    this.#fetching += 1
    try {
      entry.answer = (await this.#options.fetch?.(entry.identifier)) ?? entry.answer
      if (entry.answer.error === undefined) this.#fetched += 1
      return entry.answer
    } finally {
      this.#fetching -= 1
      entry.fetching = null
    }
  }
}

function bestOf(entries: readonly Entry[]): Answer {
  const [first, ...others] = entries
  return others.reduce((best, { answer }) => better(best, answer), first?.answer ?? invalid)
}

/** CUSIPs and ISINs differ in length, so that a value says its type. */
function keyOf({ value }: Identifier, asOf: Date | string | null): string {
  return asOf === null ? value : `${value} ${asOf instanceof Date ? asOf.getTime() : asOf}`
}
