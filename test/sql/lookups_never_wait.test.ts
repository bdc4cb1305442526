import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withDatabase } from '../support/database.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { observe, openSession, type Resolved, type Session } from '../support/mappings.ts'

const test = suite('lookups never wait')

/** Each asks for the set in a statement that would fail rather than wait for a lock, which nobody here gives up by himself. */
async function askWithoutWaiting(session: Session, cusips: string[]): Promise<string[]> {
  await session.sql`set lock_timeout to '10s'`
  await session.sql`set statement_timeout to '60s'`
  const rows = await session.sql<Resolved[]>`select status from resolve_mappings('CUSIP', ${cusips})`
  return rows.map((row) => row.status)
}

/** Whether the session waits for another one, looked at from a third. */
async function blockers(watcher: Session, pid: number): Promise<number> {
  const [row] = await watcher.sql<
    [{ count: number }]
  >`select cardinality(pg_blocking_pids(${pid}))::int as count`
  return row.count
}

/** Lets the worker's task exist, as a set-up does. */
async function knowTheTask(session: Session): Promise<void> {
  await session.sql`select graphile_worker.add_job('fetch_mappings')`
  await session.sql`delete from graphile_worker._private_jobs`
}

test('a second session that misses the same identifier answers while the first one has not committed', async () => {
  await withDatabase(async ({ url }) => {
    await using first = await openSession(url)
    await using second = await openSession(url)
    await knowTheTask(first)
    await first.sql`begin`
    await first.sql`select from resolve_mapping('CUSIP', ${makeCusip(1)}) r where r.status = 'miss'`
    assert.equal(await askWithoutWaiting(second, [makeCusip(1)]), ['miss'])
    await first.sql`commit`
    const rows = await second.sql`
      select count(*)::int as rows, count(distinct identifier_value)::int as identifiers
      from figi_private.fetch_requests
      where identifier_value = ${makeCusip(1)}`
    assert.equal({ ...rows[0] }, { rows: 2, identifiers: 1 })
    const claimed = await second.sql`select from figi_private.claim_requests('me', 100, 100, '1 minute')`
    assert.is(claimed.length, 1, 'the identifier is claimed once')
  })
})

test('twenty sessions that all hold their transaction open miss the same identifiers', async () => {
  await withDatabase(async ({ url }) => {
    const sessions = await Promise.all(Array.from({ length: 20 }, () => openSession(url)))
    await knowTheTask(sessions[0] as Session)
    const cusips = Array.from({ length: 50 }, (_, n) => makeCusip(n))
    for (const session of sessions) await session.sql`begin`
    const answers = await Promise.all(sessions.map((session) => askWithoutWaiting(session, cusips)))
    for (const answer of answers) assert.ok(answer.every((status) => status === 'miss'))
    for (const session of sessions) await session.sql`commit`
    const [row] = await (sessions[0] as Session).sql`
      select count(*)::int as rows, count(distinct identifier_value)::int as identifiers from figi_private.fetch_requests`
    assert.equal({ ...row }, { rows: 1000, identifiers: 50 })
    for (const session of sessions) await session[Symbol.asyncDispose]()
  })
})

test('a lookup of an identifier that another session is upserting, closing or clearing answers with what was before', async () => {
  await withDatabase(async ({ sql, url }) => {
    await using writer = await openSession(url)
    await using reader = await openSession(url)
    await knowTheTask(writer)
    await observe(sql, 'CUSIP', makeCusip(1), 'OLD', '2020-01-01')
    await observe(sql, 'CUSIP', makeCusip(2), 'NEW')
    const cusips = [makeCusip(1), makeCusip(2), makeCusip(3)]
    for (const write of [
      `select from upsert_mapping('CUSIP', '${makeCusip(1)}', 'OTHER')`,
      `select from upsert_mapping('CUSIP', '${makeCusip(3)}', 'FIRST')`,
      `select clear_cache()`,
      `select refresh_stale('0')`,
      `select warm_mappings('CUSIP', array['${makeCusip(3)}'])`,
      `select from figi_private.claim_requests('me', 100, 100, '1 minute')`,
      `select figi_private.record_answers('[{"identifier_type": "CUSIP", "identifier_value": "${makeCusip(3)}", "outcome": "listing", "ticker": "T"}]')`,
      `select figi_private.release_claims('me', array['CUSIP'], array['${makeCusip(3)}'], 'error')`,
    ]) {
      await writer.sql`begin`
      await writer.sql.unsafe(write)
      assert.equal(await askWithoutWaiting(reader, cusips), ['stale', 'hit', 'miss'], write)
      await writer.sql`rollback`
    }
  })
})

test('a worker that waits for the queue keeps no lookup waiting', async () => {
  await withDatabase(async ({ url }) => {
    await using holder = await openSession(url)
    await using claimer = await openSession(url)
    await using reader = await openSession(url)
    await knowTheTask(holder)
    await askWithoutWaiting(reader, [makeCusip(1)])
    await holder.sql`begin`
    await holder.sql`select from figi_private.claim_requests('holder', 100, 100, '1 minute')`
    const claiming =
      claimer.sql`select from figi_private.claim_requests('claimer', 100, 100, '1 minute')`.execute()
    while ((await blockers(reader, claimer.pid)) === 0) await sleep(10)
    assert.equal(await askWithoutWaiting(reader, [makeCusip(1), makeCusip(2)]), ['miss', 'miss'])
    await holder.sql`commit`
    assert.is((await claiming).length, 1, 'the new one, once')
  })
})

test('the very first miss of a database that has been set up keeps nobody waiting', async () => {
  await withDatabase(async ({ url }) => {
    await using first = await openSession(url)
    await using second = await openSession(url)
    await first.sql`begin`
    await askWithoutWaiting(first, [makeCusip(1)])
    assert.equal(await askWithoutWaiting(second, [makeCusip(1)]), ['miss'])
    await first.sql`rollback`
  })
})

test.run()
