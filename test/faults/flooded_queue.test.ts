import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { amount } from '../support/at_length.ts'
import { withDatabase } from '../support/database.ts'
import { figure } from '../support/figure.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { grantScript, withLogin } from '../support/login_role.ts'
import { observe, openSession, resolve } from '../support/mappings.ts'

const test = suite('an analyst floods the queue')

const limit = amount(2000, 20_000)
const asked = limit + 4096

test('it takes no more than the database’s setting says, whatever the analyst sets, and others are served', async () => {
  await withDatabase(async (database) => {
    const { sql, url } = database
    await sql.unsafe(grantScript)
    await sql.unsafe(`alter database ${new URL(url).pathname.slice(1)} set pgfigi.max_waiting = '${limit}'`)
    await observe(sql, 'CUSIP', makeCusip(1), 'KNOWN')
    const cusips = Array.from({ length: asked }, (_, n) => makeCusip(1000 + n))

    await withLogin(database, 'pgfigi_analyst', async (login) => {
      await using session = await openSession(login)
      await session.sql`set pgfigi.max_waiting = '1000000000'`
      await session.sql`set pgfigi.fetch_job_added = 'yes'`
      const [flood] = await session.sql<[{ requested: number; misses: number }]>`
        select
          count(*) filter (where r.fetch_requested)::int as requested,
          count(*) filter (where r.status = 'miss')::int as misses
        from resolve_mappings('CUSIP', ${cusips}) r`
      assert.is(flood.misses, asked)
      assert.ok(flood.requested >= limit && flood.requested <= limit + 1024, `${flood.requested} requested`)
      const [left] = await sql`select count(*)::int as waiting from figi_private.fetch_requests`
      assert.is(left?.waiting, flood.requested)
      figure(`${asked} misses, a limit of ${limit}: ${flood.requested} wait`)

      const refused = await resolve(session.sql, 'CUSIP', makeCusip(500))
      assert.equal([refused.status, refused.fetch_requested], ['miss', false])
      assert.is((await resolve(session.sql, 'CUSIP', makeCusip(1))).status, 'hit')
      const asBefore = await resolve(session.sql, 'CUSIP', makeCusip(1000))
      assert.is(asBefore.fetch_requested, true, 'what waits already is still to come')
    })

    await withLogin(database, 'pgfigi_worker', async (login) => {
      await using session = await openSession(login)
      await sql`select setval('figi_private.queue_full_until', extract(epoch from clock_timestamp())::bigint + 9)`
      const own = await resolve(session.sql, 'CUSIP', makeCusip(501))
      assert.is(own.fetch_requested, true, 'who may claim fetches it himself')
      const [claim] = await session.sql`
        select identifier_value
        from figi_private.claim_requests('me', 1, 1, '1 minute', '{CUSIP}', ${[makeCusip(501)]})`
      assert.ok(claim)
    })

    await withLogin(database, 'pgfigi_analyst', async (login) => {
      await using session = await openSession(login)
      await sql`delete from figi_private.fetch_requests`
      await sql`select setval('figi_private.queue_full_until', extract(epoch from clock_timestamp())::bigint - 1)`
      const again = await resolve(session.sql, 'CUSIP', makeCusip(502))
      assert.is(again.fetch_requested, true, 'ten seconds later')
    })
  })
})

test('what is warmed does not shut it to lookups, though it takes the same numbers', async () => {
  await withDatabase(async (database) => {
    const { sql, url } = database
    await sql.unsafe(grantScript)
    await sql.unsafe(`alter database ${new URL(url).pathname.slice(1)} set pgfigi.max_waiting = '2000'`)
    await resolve(sql, 'CUSIP', makeCusip(1))
    await sql`select public.warm_mappings('CUSIP', ${Array.from({ length: 3000 }, (_, n) => makeCusip(1000 + n))})`
    const cusips = Array.from({ length: 1024 }, (_, n) => makeCusip(10_000 + n))
    await withLogin(database, 'pgfigi_analyst', async (login) => {
      await using session = await openSession(login)
      const [asked] = await session.sql<[{ requested: number }]>`
        select count(*) filter (where r.fetch_requested)::int as requested
        from public.resolve_mappings('CUSIP', ${cusips}) r`
      assert.is(asked.requested, cusips.length)
    })
  })
})

test('a clock that was set back does not keep the queue shut', async () => {
  await withDatabase(async (database) => {
    const { sql } = database
    await sql.unsafe(grantScript)
    await sql`select setval('figi_private.queue_full_until', extract(epoch from clock_timestamp())::bigint + 3600)`
    await withLogin(database, 'pgfigi_analyst', async (login) => {
      await using session = await openSession(login)
      assert.is((await resolve(session.sql, 'CUSIP', makeCusip(1))).fetch_requested, true)
    })
  })
})

test.run()
