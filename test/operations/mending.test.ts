import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withRollback } from '../support/database.ts'
import { checksIn } from '../support/health_causes.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { blocksOf, pagesOf } from './pages.ts'

const test = suite('what a runbook says to do')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

/** What is wrong, by the name of the runbook that mends it. */
const causes: Readonly<Record<string, (sql: Sql) => Promise<unknown>>> = {
  laws: async (sql) => {
    await sql`alter table public.security_mappings disable trigger forbid_overlap_after_insert`
    await sql`
      insert into public.security_mappings (identifier_type, identifier_value, ticker, start_date, end_date, last_fetched_date)
      values ('CUSIP', '037833100', 'A', '2020-01-01', '2021-01-01', '2021-01-01'), ('CUSIP', '037833100', 'B', '2020-06-01', null, now())`
  },
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

/** The SQL of a runbook below "What to do". */
async function remediesOf(name: string): Promise<string[]> {
  const page = (await pagesOf('runbooks')).find(({ path }) => path.endsWith(`/${name}.md`))
  const [, part = ''] = /^## What to do\n([\s\S]*?)^## /m.exec(page?.text ?? '') ?? []
  const found = blocksOf({ path: name, text: part }, 'sql')
  assert.is.not(found.length, 0, `${name}.md says nothing in SQL`)
  return found
}

test.run()
