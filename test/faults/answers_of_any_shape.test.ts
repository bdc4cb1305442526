import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import { silentLogger } from '../../src/log.ts'
import { createFetcher } from '../../src/pipeline/create_fetcher.ts'
import { amount } from '../support/at_length.ts'
import { testKey } from '../support/canaries.ts'
import { withDatabase } from '../support/database.ts'
import fc from '../support/fast_check.ts'
import { figure } from '../support/figure.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { listing } from '../support/listings.ts'
import { oddJson, oddListings, oddWarnings } from '../support/odd_json.ts'
import { type ScriptedRequest, startScriptedServer } from '../support/scripted_server.ts'
import { until } from '../support/until.ts'

const test = suite('answers of any shape, in the database')

interface Known {
  readonly value: string
  readonly ticker: string | null
}
interface Waiting {
  readonly value: string
  readonly attempts: number
  readonly why: string | null
}

const known = (sql: Sql) =>
  sql<Known[]>`select identifier_value as value, ticker from public.security_mappings where end_date is null`
const waiting = (sql: Sql) =>
  sql<
    Waiting[]
  >`select identifier_value as value, attempts, last_error as why from figi_private.fetch_requests`

/** Answers each job with what the map has for it, until `mend` is called; then with a ticker made of its value. */
async function startServer(elements: ReadonlyMap<string, string>) {
  let isMended = false
  const right = (value: string) => JSON.stringify({ data: [listing({ ticker: `T${value}` })] })
  const server = await startScriptedServer(({ jobs }: ScriptedRequest) => {
    const answers = jobs.map(({ idValue }) => (isMended ? right(idValue) : elements.get(idValue)))
    return { body: `[${answers.join()}]` }
  })
  return {
    url: server.url,
    mend() {
      isMended = true
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

/** Has all of them fetched, and runs the check when each has been answered once. */
async function fetched(
  sql: Sql,
  url: string,
  values: readonly string[],
  check: () => Promise<void>,
): Promise<void> {
  const config = parseConfig({
    OPENFIGI_API_URL: url,
    OPENFIGI_API_KEY: testKey,
    OPENFIGI_RATE_LIMIT: '1000/1s',
    OPENFIGI_JOBS_PER_REQUEST: '20',
  })
  await sql`select from public.resolve_mappings('CUSIP', ${values as string[]})`
  const fetcher = createFetcher(config, { sql, logger: silentLogger })
  try {
    fetcher.drain().catch(() => {})
    await until(
      'each has been answered',
      async () => (await waiting(sql)).every(({ attempts }) => attempts > 0),
      60,
    )
    await check()
  } finally {
    await fetcher.close()
  }
}

/** An independent look at the text: what may become of it at the most. */
function mayBe(text: string): { negative: boolean; tickers: readonly unknown[] } {
  const element = JSON.parse(text)
  const { data = null, warning = null, error = null } = element ?? {}
  const says = typeof warning === 'string' && /^\s*No identifier found\.?\s*$/.test(warning)
  const tickers = Array.isArray(data) ? data.map((one) => String(one?.ticker).trim()) : []
  return { negative: says && data === null && error === null, tickers: error === null ? tickers : [] }
}

test('are stored right or stand as an error on their request, and are asked for again', () =>
  withDatabase(async ({ sql }) => {
    const count = amount(300, 2000)
    const cases = fc.sample(fc.oneof(oddJson, oddListings, oddWarnings), count)
    const elements = new Map(cases.map((text, n) => [makeCusip(n), text]))
    await using server = await startServer(elements)
    const values = [...elements.keys()]
    let told = ''
    await fetched(sql, server.url, values, async () => {
      const [rows, requests] = [await known(sql), await waiting(sql)]
      for (const { value, ticker } of rows) {
        const { negative, tickers } = mayBe(elements.get(value) ?? '')
        if (ticker === null) assert.ok(negative, elements.get(value))
        else assert.ok(tickers.includes(ticker), elements.get(value))
      }
      assert.ok(requests.every(({ why }) => why))
      assert.equal([...rows, ...requests].map(({ value }) => value).sort(), values.toSorted())
      const negatives = rows.filter(({ ticker }) => ticker === null).length
      told = `${count} answers of any shape: ${rows.length - negatives} tickers, ${negatives} negatives, ${requests.length} errors`
      server.mend()
      // The longer the first took, the more often some have been asked for since: then half a minute goes by.
      await until('what was an error is known', async () => (await waiting(sql)).length === 0, 90)
    })
    assert.is((await known(sql)).length, count)
    figure(told)
  }))

test('that the database refuses keep no others from being written', () =>
  withDatabase(async ({ sql }) => {
    await sql`alter table public.security_mappings add constraint nobody_may_write_this check (ticker <> 'REFUSED')`
    const values = Array.from({ length: 40 }, (_, n) => makeCusip(n))
    const tickerOf = (n: number) => (n === 7 || n === 31 ? 'REFUSED' : `T${n}`)
    const elements = values.map((value, n): [string, string] => [
      value,
      JSON.stringify({ data: [listing({ ticker: tickerOf(n) })] }),
    ])
    await using server = await startServer(new Map(elements))
    await fetched(sql, server.url, values, async () => {
      const requests = await waiting(sql)
      assert.equal(requests.map(({ value }) => value).sort(), [values[7], values[31]].toSorted())
      for (const { why } of requests) assert.match(why ?? '', /The database refused .*nobody_may_write_this/)
      assert.is((await known(sql)).length, 38)
    })
  }))

test.run()
