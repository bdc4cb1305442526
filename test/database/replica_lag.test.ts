import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { checksIn, checksNow, healthCauses } from '../support/health_causes.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { latestMigration } from '../support/latest_migration.ts'
import { observe } from '../support/mappings.ts'
import { withReplica } from '../support/replica.ts'
import { until } from '../support/until.ts'

const test = suite('replicas in the health checks')

test('a replica that falls behind is told by the primary and by itself, and is well once it has caught up', async () => {
  const ran = await withReplica(async ({ primary, primaryUrl, replica, replicaUrl, caughtUp }) => {
    await observe(primary, 'CUSIP', makeCusip(1), 'T')
    await caughtUp()
    const lag = async (url: string) => (await checksNow(url)).replica_lag
    const inStep = /^1 replica follows; the slowest, \S+, is 0 s behind\.$/
    await until('it is in step', async () => {
      const told = await lag(primaryUrl)
      return told?.status === 'ok' && inStep.test(told.sentence)
    })
    let there: Awaited<ReturnType<typeof checksIn>> = {}
    await until('it says so itself', async () => {
      there = await checksIn(replica, { whole: true, latestMigration })
      return there.replica_lag?.sentence === 'This is a replica, 0 s behind.'
    })
    assert.is(there.laws?.status, 'ok', there.laws?.sentence)
    assert.equal(
      Object.values(there)
        .filter(({ sentence }) => /could not be made/.test(sentence))
        .map(({ sentence }) => sentence),
      [],
      'every check works there',
    )

    await primary`create role limited`
    await primary`grant usage on schema figi_private to limited`
    await primary`grant execute on all functions in schema figi_private to limited`
    const [unseen] = await primary.begin(async (transaction) => {
      await transaction`set local role limited`
      return transaction`select (figi_private.check_replica_lag()).*`
    })
    assert.equal(
      [unseen?.status, unseen?.remedy],
      ['warn', 'Let a superuser run: grant pg_monitor to limited'],
    )

    const cause = healthCauses({ sql: primary, url: primaryUrl, replica }).find(
      ({ check }) => check === 'replica_lag',
    )
    await cause?.cause()
    await until('the primary tells', async () => (await lag(primaryUrl))?.status === cause?.status)
    assert.match((await lag(primaryUrl))?.sentence ?? '', cause?.says ?? /^$/)
    const behind = await lag(replicaUrl)
    assert.ok((behind?.value ?? 0) > 1, behind?.sentence)
    await cause?.mend()
    await caughtUp()
    await until('both are well', async () => {
      await observe(primary, 'CUSIP', makeCusip(1), 'T')
      return (await lag(primaryUrl))?.status === 'ok' && (await lag(replicaUrl))?.status === 'ok'
    })
  })
  if (!ran) console.log('SKIPPED: a replica (there is no PostgreSQL in /usr/lib/postgresql)')
})

test.run()
