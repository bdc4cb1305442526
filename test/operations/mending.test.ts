import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withRollback } from '../support/database.ts'
import { breakLaws, checksIn } from '../support/health_causes.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { remediesOf } from './pages.ts'

const test = suite('what a runbook says to do')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

/** What is wrong, by the name of the runbook that mends it. */
const causes: Readonly<Record<string, (sql: Sql) => Promise<unknown>>> = {
  laws: breakLaws,
  gave_up: async (sql) => {
    await sql`select from public.resolve_mapping('CUSIP', ${makeCusip(1)})`
    await sql`update figi_private.fetch_requests set attempts = 4, last_error = 'no', gave_up_at = clock_timestamp()`
  },
  budget_blocked: (sql) =>
    sql`insert into figi_private.api_budgets (budget, blocked_until) values ('key-x@host', clock_timestamp() + interval '3 hours')`,
  dead_jobs: async (sql) => {
    await sql`select graphile_worker.add_job('fetch_mappings')`
    await sql`
      update graphile_worker._private_jobs
      set locked_by = 'gone', locked_at = clock_timestamp() - interval '1 hour'`
  },
  failed_jobs: async (sql) => {
    await sql`select graphile_worker.add_job('fetch_mappings', max_attempts => 1)`
    await sql`update graphile_worker._private_jobs set attempts = 1, last_error = 'no'`
  },
}

for (const [name, cause] of Object.entries(causes)) {
  test(`mends ${name}`, () =>
    withRollback(async (sql) => {
      assert.is(await statusOf(sql, name), 'ok')
      await cause(sql)
      assert.is.not(await statusOf(sql, name), 'ok')
      for (const block of await remediesOf(name)) await sql.unsafe(block)
      assert.is(await statusOf(sql, name), 'ok')
    }))
}

test('lifts a block together with what has been reserved behind it', () =>
  withRollback(async (sql) => {
    const waits = async () => {
      const [row] = await sql<{ seconds: number }[]>`
        select extract(epoch from figi_private.reserve_api_slot('key-x@host', 25, '7 seconds'))::int as seconds`
      return row?.seconds
    }
    await sql`select figi_private.block_api_budget('key-x@host', '10 minutes')`
    const blocked = (await waits()) ?? 0
    assert.ok(blocked > 500 && blocked <= 600, `${blocked} s`)
    for (const block of await remediesOf('budget_blocked')) await sql.unsafe(block)
    assert.is(await waits(), 0)
  }))

test('gets negatives fetched again that were wrong', () =>
  withRollback(async (sql) => {
    await sql`select from public.upsert_mapping('CUSIP', ${makeCusip(1)}, null)`
    const [remedy] = await remediesOf('negative_share')
    assert.equal([...(await sql.unsafe(remedy ?? ''))], [{ requested: '1' }])
    assert.is((await sql`select from figi_private.fetch_requests`).length, 1)
  }))

async function statusOf(sql: Sql, name: string): Promise<string | undefined> {
  return (await checksIn(sql, { whole: true }))[name]?.status
}

test.run()
