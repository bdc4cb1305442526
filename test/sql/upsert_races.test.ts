import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withDatabase } from '../support/database.ts'
import { makeCusip, makeIsin } from '../support/identifiers_maker.ts'
import { openSession, type Session } from '../support/mappings.ts'

const test = suite('many writers at once')

type Sql = Session['sql']

const identifiers: [string, string][] = Array.from({ length: 10 }, (_, n) =>
  n % 2 ? ['CUSIP', makeCusip(n)] : ['ISIN', makeIsin(n, 'GB')],
)

/** Every law, asked of the table itself and not of its constraints. */
async function assertLawful(sql: Sql): Promise<void> {
  const [row] = await sql`
    select
      (select count(*) from security_mappings where end_date <= start_date)::int as empty,
      (select count(*) from security_mappings where has_no_results <> (ticker is null))::int as contradictory,
      (
        select count(*)
        from (
          select 1 from security_mappings where end_date is null group by identifier_type, identifier_value having count(*) <> 1
        ) s
      )::int as doubly_open,
      (
        select count(*)
        from security_mappings a
        join security_mappings b using (identifier_type, identifier_value)
        where a.id <> b.id
          and a.start_date < coalesce(b.end_date, 'infinity')
          and b.start_date < coalesce(a.end_date, 'infinity')
      )::int as overlapping,
      (
        select count(*)
        from (
          select end_date is distinct from lead(start_date) over w as gap, end_date
          from security_mappings
          window w as (partition by identifier_type, identifier_value order by start_date)
        ) s
        where gap
          and end_date is not null
      )::int as gaps`
  assert.equal({ ...row }, { empty: 0, contradictory: 0, doubly_open: 0, overlapping: 0, gaps: 0 })
}

const pick = <T>(all: readonly T[]): T => all[Math.floor(Math.random() * all.length)] as T

const shuffled = <T>(all: readonly T[]): T[] =>
  all
    .map((one) => [Math.random(), one] as const)
    .sort(([a], [b]) => a - b)
    .map(([, one]) => one)

/** So many sessions, each doing its work again and again for that long, and so often at the least; fails with the first error of any. */
async function hammer(
  url: string,
  sessions: number,
  ms: number,
  least: number,
  work: (sql: Sql) => Promise<unknown>,
): Promise<void> {
  const opened = await Promise.all(Array.from({ length: sessions }, () => openSession(url)))
  const deadline = Date.now() + ms
  const results = await Promise.allSettled(
    opened.map(async ({ sql }) => {
      for (let times = 0; times < least || Date.now() < deadline; times++) await work(sql)
    }),
  )
  await Promise.all(opened.map((session) => session[Symbol.asyncDispose]()))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

test('a hundred sessions that upsert random tickers for ten identifiers: no error, no deadlock, one open row each', async () => {
  await withDatabase(async ({ sql, url }) => {
    await hammer(url, 100, 3000, 4, (session) => {
      const [type, value] = pick(identifiers)
      return session`select from upsert_mapping(${type}, ${value}, ${pick(['A', 'B', 'C', null])})`
    })
    await assertLawful(sql)
    const [row] = await sql`select count(*)::int as open from security_mappings where end_date is null`
    assert.is(row?.open, 10)
  })
})

test('eight sessions that upsert sets in random order, with older observations among them, never deadlock', async () => {
  await withDatabase(async ({ sql, url }) => {
    const cusips = Array.from({ length: 400 }, (_, n) => makeCusip(n))
    await hammer(url, 8, 3000, 4, (session) => {
      const set = shuffled(cusips).slice(0, 200)
      const tickers = set.map(() => pick(['A', 'B', null]))
      return session`
        select from upsert_mappings(
          array_fill('CUSIP'::text, array[200]), ${set}, ${tickers}, clock_timestamp() - random() * interval '50 ms'
        )`
    })
    await assertLawful(sql)
  })
})

test('upserts, sets, clear_cache, answers, claims and lookups together: no error, no deadlock, every law holds', async () => {
  await withDatabase(async ({ sql, url }) => {
    const cusips = Array.from({ length: 60 }, (_, n) => makeCusip(n))
    await sql`select graphile_worker.add_job('fetch_mappings')`
    const works: ((session: Sql) => PromiseLike<unknown>)[] = [
      (session) => session`select from upsert_mapping('CUSIP', ${pick(cusips)}, ${pick(['A', 'B', null])})`,
      (session) => {
        const set = shuffled(cusips).slice(0, 30)
        return session`
          select from upsert_mappings(array_fill('CUSIP'::text, array[30]), ${set}, ${set.map(() => pick(['A', 'B', null]))})`
      },
      (session) => session`select count(status) from resolve_mappings('CUSIP', ${cusips}, max_age => '0')`,
      (session) => session`
        select from figi_private.claim_requests(${`c${Math.random()}`}, 20, 10, '20 ms')`,
      (session) => session`select figi_private.renew_claims('c', '1 second')`,
      (session) => session`select refresh_stale('0', 10)`,
      (session) => session`
        select figi_private.record_answers(${JSON.stringify(
          shuffled(cusips)
            .slice(0, 20)
            .map((value) => ({
              identifier_type: 'CUSIP',
              identifier_value: value,
              ...pick([
                { outcome: 'listing', ticker: pick(['A', 'B']) },
                { outcome: 'none' },
                { outcome: 'unfiltered' },
                { outcome: 'error', message: 'm' },
              ]),
            })),
        )}::text::jsonb)`,
      (session) =>
        Math.random() < 0.05 ? session`select clear_cache()` : session`select from cache_stats()`,
    ]
    await hammer(url, 16, 3000, 8, async (session) => await pick(works)(session))
    const [row] = await sql`
      select count(*)::int as overlapping
      from security_mappings a
      join security_mappings b using (identifier_type, identifier_value)
      where a.id < b.id
        and a.start_date < coalesce(b.end_date, 'infinity')
        and b.start_date < coalesce(a.end_date, 'infinity')`
    assert.is(row?.overlapping, 0)
  })
})

test.run()
