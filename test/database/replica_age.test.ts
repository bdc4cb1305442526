import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ReplicaAge } from '../../src/database/replica_age.ts'

const test = suite('the age of a replica')

/** A primary and a replica on paper, and a clock. */
function stage(boundMs = 10_000) {
  const world = {
    now: 0,
    log: '0/1000',
    replayed: '0/1000' as string | null,
    isStandby: true,
    isAway: false,
    asked: 0,
  }
  const age = new ReplicaAge({
    boundMs,
    now: () => world.now,
    async primaryLsn() {
      world.asked += 1
      if (world.isAway) throw new Error('away')
      return world.log
    },
    replicaState: async () => ({ isStandby: world.isStandby, replayed: world.replayed }),
  })
  /** A second later somebody wants to look up. */
  const later = async (seconds: number) => {
    for (let n = 0; n < seconds; n += 1) {
      world.now += 1000
      await age.refresh()
      await new Promise((resolve) => setImmediate(resolve))
    }
    return age.objection
  }
  return { world, age, later }
}

test('is not known before the first look, nor while nobody can say', async () => {
  const { world, age, later } = stage()
  assert.match(age.objection ?? '', /more than 10 s behind, or nobody can say/)
  assert.throws(() => age.requireYoung(), /The replica is not used: it is more than 10 s behind/)
  await age.refresh()
  assert.is(age.objection, null)
  age.requireYoung()
  world.isAway = true
  assert.is(await later(9), null)
  assert.match((await later(3)) ?? '', /behind/)
  world.isAway = false
  assert.is(await later(1), null)
})

test('does not grow while an idle primary has nothing to send, and grows where something has not arrived', async () => {
  const { world, later } = stage()
  assert.is(await later(60), null)
  world.log = '0/2000'
  assert.is(await later(9), null)
  assert.match((await later(2)) ?? '', /behind/)
  world.replayed = '0/2000'
  assert.is(await later(1), null)
})

test('is that of the newest place that it has replayed, on a primary that is always ahead', async () => {
  const { world, later } = stage(3000)
  await later(1)
  for (let second = 1; second < 30; second += 1) {
    world.log = `0/${(0x1000 + second).toString(16)}`
    world.replayed = `0/${(0x1000 + second - 2).toString(16)}`
    assert.is(await later(1), null, `second ${second}`)
  }
  world.replayed = '0/1001'
  assert.is(await later(1), null)
  world.log = '0/9000'
  assert.match((await later(4)) ?? '', /behind/)
})

test('compares places beyond 4 GB, and takes the two names of the end of a page for one', async () => {
  const { world, later } = stage(2000)
  world.log = '1/2000018'
  world.replayed = '1/2000000'
  assert.is(await later(5), null)
  world.log = '1/0'
  world.replayed = '0/FFFFFFF0'
  assert.match((await later(5)) ?? '', /behind/)
})

test('of one that was promoted, or follows nobody, is no matter: it is refused', async () => {
  const { world, age, later } = stage()
  assert.is(await later(1), null)
  age.isPromoted()
  assert.match(age.objection ?? '', /no standby/)
  assert.is(await later(2), null, 'it says that it follows again')
  world.isStandby = false
  assert.match((await later(2)) ?? '', /no standby/)
  world.isStandby = true
  world.replayed = null
  assert.match((await later(12)) ?? '', /behind/)
})

test('asks once a second, however many want to know', async () => {
  const { world, age } = stage()
  for (let n = 0; n < 100; n += 1) await age.refresh()
  assert.is(world.asked, 1)
  world.now += 1000
  await Promise.all(Array.from({ length: 100 }, () => age.refresh()))
  assert.is(world.asked, 2)
})

test.run()
