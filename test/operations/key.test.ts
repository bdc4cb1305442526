import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import { silentLogger } from '../../src/log.ts'
import { startWorker } from '../../src/worker/run.ts'
import { withDatabase } from '../support/database.ts'
import { makeCusips } from '../support/identifiers_maker.ts'
import { withSimulator } from '../support/openfigi_simulator.ts'
import { until } from '../support/until.ts'
import { blocksOf, pagesOf } from './pages.ts'

const test = suite('changing the API key')

test('workers go over to another key one by one, without a pause and without a 429', () =>
  withSimulator({ apiKeys: ['old-key', 'new-key'], limit: { requests: 5, windowMs: 500 } }, (sim) =>
    withDatabase(async ({ sql, url }) => {
      const work = (apiKey: string) => {
        const config = parseConfig({
          DATABASE_URL: url,
          OPENFIGI_API_URL: sim.url,
          OPENFIGI_API_KEY: apiKey,
          OPENFIGI_RATE_LIMIT: '5/1s', // half a second may be lost on the way
          OPENFIGI_JOBS_PER_REQUEST: '10',
          OPENFIGI_LISTING_PREFERENCE: 'any', // one round
        })
        return startWorker(config, url, silentLogger)
      }
      const fetchAll = async (values: readonly string[]) => {
        await sql`select from public.resolve_mappings('CUSIP', ${[...values]})`
        await until(
          'all are known',
          async () => (await sql`select from figi_private.fetch_requests`).length === 0,
        )
      }
      const budgets = async () => {
        const rows = await sql<{ budget: string }[]>`select budget from figi_private.api_budgets`
        return rows.map(({ budget }) => budget)
      }

      const before = await work('old-key')
      await fetchAll(makeCusips(0, 20))
      const [old] = await budgets()
      const after = await work('new-key')
      await fetchAll(makeCusips(100, 100))
      await before.stop()
      await fetchAll(makeCusips(300, 20))
      await after.stop()

      assert.equal(Object.keys(sim.countByStatus()), ['200'])
      const names = await budgets()
      assert.is(names.length, 2)
      assert.not.match(names.join(), /old-key|new-key/)

      const [page] = (await pagesOf('operations')).filter(({ path }) => path.endsWith('key.md'))
      const forget = page && blocksOf(page, 'sql').find((block) => block.startsWith('delete'))
      await sql`update figi_private.api_budgets set sent_at = array[now() - interval '2 days'] where budget = ${old ?? ''}`
      await sql.unsafe(forget ?? '')
      assert.equal(
        await budgets(),
        names.filter((name) => name !== old),
      )
    }),
  ))

test.run()
