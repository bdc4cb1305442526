import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withDatabase } from '../support/database.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { openSession, type Session } from '../support/mappings.ts'

const test = suite('imports, live answers and clears at the same time')

const IDENTIFIERS = 12
const SESSIONS = 8
const FOR_MS = 2_500
/** Of each session, also where the machine is slow. */
const LEAST = 10

const pick = (n: number) => Math.floor(Math.random() * n)
const day = (n: number) => new Date(Date.parse('2020-01-01Z') + n * 86_400_000).toISOString()

/** A part of a file: some days of some tickers, by the hand of one importer. */
async function importSome({ sql }: Session): Promise<void> {
  const records = Array.from({ length: 1 + pick(8) }, () => ({
    value: makeCusip(pick(IDENTIFIERS)),
    ticker: ['A', 'B', 'C', null][pick(4)] ?? null,
    on: pick(300),
    isHeld: pick(3) === 0,
  }))
  await sql`
    select figi_private.record_sightings(
      ${records.map(() => 'CUSIP')}::text[], ${records.map(({ value }) => value)}::text[],
      ${records.map(({ ticker }) => ticker)}::text[], ${records.map(({ on }) => day(on))}::text[]::timestamptz[],
      ${records.map(({ on }) => day(on + 1))}::text[]::timestamptz[],
      ${records.map(({ on, isHeld }) => (isHeld ? day(on) : null))}::text[]::timestamptz[],
      ${records.map(() => null)}::text[]::jsonb[], ${pick(2) === 0 ? 'import' : 'sec_ftd'}
    )`
}

async function answerSome({ sql }: Session): Promise<void> {
  const values = Array.from({ length: 1 + pick(5) }, () => makeCusip(pick(IDENTIFIERS)))
  await sql`
    select from upsert_mappings(
      ${values.map(() => 'CUSIP')}::text[], ${values}::text[], ${values.map(() => ['A', 'B', null][pick(3)] ?? null)}::text[],
      ${day(pick(400))}::text::timestamptz
    )`
}

test('break no law, end in no deadlock, and leave what the sightings and what stands make', () =>
  withDatabase(async ({ sql, url }) => {
    const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => openSession(url)))
    const until = performance.now() + FOR_MS
    await Promise.all(
      sessions.map(async (session, n) => {
        for (let times = 0; times < LEAST || performance.now() < until; times += 1) {
          if (n === 0 && pick(20) === 0) await session.sql`select clear_cache()`
          else await (n % 2 === 0 ? importSome(session) : answerSome(session))
        }
      }),
    )
    await Promise.all(sessions.map((session) => session[Symbol.asyncDispose]()))

    const [laws] = await sql`
      select
        count(*) filter (where o.ends > o.starts_next)::int as overlaps,
        (select count(*) from (
          select from security_mappings where end_date is null group by identifier_value having count(*) > 1
        ) many)::int as many_open,
        count(*)::int as rows
      from (
        select
          coalesce(end_date, 'infinity') as ends,
          lead(start_date) over (partition by identifier_value order by start_date) as starts_next
        from security_mappings
      ) o`
    assert.equal([laws?.overlaps, laws?.many_open], [0, 0])
    assert.ok(laws?.rows >= IDENTIFIERS)

    const table = () => sql`select *, updated_at::text as touched from security_mappings order by id`
    const before = await table()
    const [fitted] = await sql`
      select f.closed::int, f.opened::int
      from figi_private.fit_periods(
        array(select identifier_type from figi_private.sightings), array(select identifier_value from figi_private.sightings)
      ) f`
    assert.equal({ ...fitted }, { closed: 0, opened: 0 })
    assert.equal(await table(), before)
  }))

test.run()
