import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withDatabase } from '../support/database.ts'
import { makeCusips } from '../support/identifiers_maker.ts'
import { openSession, type Session } from '../support/mappings.ts'

const test = suite(
  'statistics that call full tables empty, as an analyze in the middle of one large statement leaves them',
)

const loaded = 15_000
const written = 3_000

/** So many comparisons of each row with each take minutes; probes of an index, a fraction of a second. */
const limit = '30s'

function upsert({ sql }: Session, values: string[], ticker = 'T'): PromiseLike<unknown> {
  return sql`
    select count(*)
    from public.upsert_mappings(
      array_fill('CUSIP'::text, array[${values.length}::int]), ${values}::text[], array_fill(${ticker}::text, array[${values.length}::int])
    )`
}

function sight({ sql }: Session, values: string[], day: string): PromiseLike<unknown> {
  const all = (value: string | null) => values.map(() => value)
  return sql`
    select figi_private.record_sightings(
      ${all('CUSIP')}::text[], ${values}::text[], ${all('S')}::text[],
      ${all(`${day}T00:00Z`)}::text[]::timestamptz[], ${all(`${day}T12:00Z`)}::text[]::timestamptz[],
      ${all(null)}::text[]::timestamptz[], ${all(null)}::text[]::jsonb[], 'import'
    )`
}

const writers: Readonly<Record<string, (session: Session) => PromiseLike<unknown>>> = {
  'upsert_mappings of what is new': (session) => upsert(session, makeCusips(100_000, written)),
  'upsert_mappings of the same tickers': (session) => upsert(session, makeCusips(8_000, written)),
  'upsert_mappings of other tickers': (session) => upsert(session, makeCusips(0, written), 'U'),
  'upsert_mappings of what was sighted': (session) => upsert(session, makeCusips(50_000, written)),
  'record_sightings of what is new': (session) => sight(session, makeCusips(200_000, written), '2020-01-01'),
  'record_sightings of what is known': (session) => sight(session, makeCusips(0, written), '2020-01-01'),
  'record_sightings of another day': (session) => sight(session, makeCusips(52_000, written), '2020-03-01'),
  restore_mappings: ({ sql }) => sql`
    with gone as (
      delete from public.security_mappings m
      where m.identifier_value = any (${makeCusips(5_000, written)}::text[])
      returning to_jsonb(m) as row
    )
    select count(*)
    from figi_private.restore_mappings((select jsonb_agg(row) from gone))`,
  restore_sightings: ({ sql }) => sql`
    with gone as (
      delete from figi_private.sightings s
      where s.identifier_value = any (${makeCusips(56_000, written)}::text[])
      returning to_jsonb(s) as row
    )
    select count(*)
    from figi_private.restore_sightings((select jsonb_agg(row) from gone))`,
  'resolve_mappings of misses': ({ sql }) => sql`
    select count(*) from public.resolve_mappings('CUSIP', ${makeCusips(300_000, written)}::text[])`,
  warm_mappings: ({ sql }) =>
    sql`select public.warm_mappings('CUSIP', ${makeCusips(400_000, written)}::text[])`,
  refresh_stale: ({ sql }) => sql`select public.refresh_stale('0', ${written})`,
  claim_requests: ({ sql }) =>
    sql`select count(*) from figi_private.claim_requests('somebody', 10, 100, '1 minute')`,
  record_answers: ({ sql }) => sql`
    select figi_private.record_answers((
      select jsonb_agg(jsonb_build_object(
        'identifier_type', 'CUSIP', 'identifier_value', a.value, 'outcome', 'listing', 'ticker', 'R'
      ))
      from unnest(${makeCusips(300_000, 1_000)}::text[]) as a (value)
    ))`,
}

test('slow no writer down', () =>
  withDatabase(async ({ sql, url }) => {
    await using loader = await openSession(url)
    await upsert(loader, makeCusips(0, loaded))
    await sight(loader, makeCusips(50_000, loaded), '2020-01-02')
    await sql`select public.warm_mappings('CUSIP', ${makeCusips(500_000, loaded)}::text[])`
    await sql`analyze`
    await sql`
      update pg_class
      set reltuples = 0
      where relnamespace in ('public'::regnamespace, 'figi_private'::regnamespace) and relkind in ('r', 'i')`
    const slow: string[] = []
    for (const [name, write] of Object.entries(writers)) {
      await using session = await openSession(url)
      await session.sql`select set_config('statement_timeout', ${limit}, false)`
      const code = await Promise.resolve(write(session)).then(
        () => null,
        (error) => error.code ?? String(error),
      )
      if (code === '57014') slow.push(name)
      else assert.is(code, null, name)
    }
    assert.equal(slow, [])
  }))

test.run()
