import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ResolvedMapping } from '../../src/database/lookups.ts'
import { unresolved } from '../../src/pipeline/answers.ts'
import { RecentMappings } from '../../src/recent_mappings.ts'
import { withClients } from '../support/client_stage.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { isKept } from '../support/kept.ts'
import { observe } from '../support/mappings.ts'
import { startDatabaseProxy } from '../support/tcp_proxy.ts'
import { until } from '../support/until.ts'

const test = suite('the cache in the process')

const identifier = (n: number) => ({ type: 'CUSIP' as const, value: makeCusip(n) })

function rowOf(n: number, status: 'hit' | 'negative' | 'stale' | 'miss', fetchedAt: number): ResolvedMapping {
  return { ...unresolved(identifier(n), status), last_fetched_date: new Date(fetchedAt) }
}

test('gives hits and negatives until they are past their age, by the clock of the database', () => {
  let time = 1000
  let maxAgeMs = 500
  let isHeard = true
  const recent = new RecentMappings({
    most: 10,
    maxAgeMs: null,
    now: () => (isHeard ? { time, maxAgeMs } : null),
  })
  const keeps = (status: 'hit' | 'negative' | 'stale' | 'miss', fetchedAt: number) => {
    recent.keep([rowOf(1, status, fetchedAt)], recent.generation)
    const isThere = recent.get(identifier(1)) !== undefined
    recent.forget()
    return isThere
  }
  assert.equal(
    (['hit', 'negative', 'stale', 'miss'] as const).map((status) => keeps(status, 900)),
    [true, true, false, false],
  )
  assert.ok(keeps('hit', 2000), 'dated in the future')
  assert.not(keeps('hit', 500), 'past its age already')

  recent.keep([rowOf(1, 'hit', 900)], recent.generation)
  time = 1399
  assert.ok(recent.get(identifier(1)))
  time = 1400
  assert.is(recent.get(identifier(1)), undefined)
  maxAgeMs = 0
  assert.not(keeps('hit', 2000), 'zero is always stale')

  maxAgeMs = 500
  isHeard = false
  assert.not(keeps('hit', 1300), 'while nothing is heard')
  isHeard = true
  const before = recent.generation
  recent.forget()
  recent.keep([rowOf(1, 'hit', 1300)], before)
  assert.is(recent.get(identifier(1)), undefined, 'asked before the change, answered after it')
  recent.keep(
    Array.from({ length: 12 }, (_, n) => rowOf(n, 'hit', 1300)),
    recent.generation,
  )
  assert.equal(
    [0, 1, 2, 11].map((n) => recent.get(identifier(n)) !== undefined),
    [false, false, true, true],
  )
})

test('is emptied by whatever changes a mapping in another session', () =>
  withClients(async ({ client, sql, url, logger, sim }) => {
    for (const n of [1, 2]) await observe(sql, 'CUSIP', makeCusip(n), `T${n}`)
    await using proxy = await startDatabaseProxy(url)
    const pgfigi = client({ cacheInProcess: 100, dbDirectUrl: proxy.urlOf(url), cacheMaxAgeDays: 1 })
    await until('changes are listened to', () => isKept(pgfigi, sql, makeCusip(1)))
    const ticker = (options = {}) => pgfigi.getTickerFromCusip(makeCusip(1), options)

    await observe(sql, 'CUSIP', makeCusip(1), 'NEW')
    await until('the change is seen', async () => (await ticker()) === 'NEW')
    await sql`update public.security_mappings set name = 'PAST' where end_date is null`
    const past = await pgfigi.resolve(makeCusip(1), { asOf: new Date() })
    assert.is(past.name, 'PAST', 'the past is not cached')

    const [row] = await sql<{ row: object }[]>`
      select to_jsonb(m) || '{"id": null, "ticker": "DUMPED"}' as row
      from public.security_mappings m where ticker = 'NEW'`
    await until('it is kept', () => isKept(pgfigi, sql, makeCusip(1)))
    await sql`delete from public.security_mappings where ticker = 'NEW'`
    await sql`select from figi_private.restore_rows('security_mappings', ${JSON.stringify([row?.row])}::text::jsonb)`
    await until('a dump is seen', async () => (await ticker()) === 'DUMPED')

    await until('it is kept again', () => isKept(pgfigi, sql, makeCusip(1)))
    await sql`select public.clear_cache()`
    await until('that it was cleared is seen', async () => {
      const { status } = await pgfigi.resolve(makeCusip(1), { wait: false })
      return status === 'miss'
    })
    assert.is(sim.log.length, 0)
    assert.equal(logger.messages('warn'), [])

    await observe(sql, 'CUSIP', makeCusip(1), 'AGAIN')
    await until('it is kept after that', () => isKept(pgfigi, sql, makeCusip(1)))
    const ended = await sql`
      select pg_terminate_backend(pid)
      from pg_stat_activity
      where datname = current_database() and application_name = 'pgfigi listener'`
    assert.ok(ended.length > 0)
    await until('the loss is told', () => logger.messages('warn').length > 0)
    assert.not(await isKept(pgfigi, sql, makeCusip(1)), 'nothing is kept while nothing is heard')
    await until('it is listened to again', () => isKept(pgfigi, sql, makeCusip(1)))
    assert.is(logger.messages('warn').length, 1)

    // What goes on without a word hears nothing after three seconds, and nothing else comes about meanwhile.
    proxy.block()
    await until('nothing is kept any more', async () => !(await isKept(pgfigi, sql, makeCusip(1))))
    assert.not(await isKept(pgfigi, sql, makeCusip(1)))
    proxy.unblock()
  }))

test.run()
