import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Pace } from '../../src/http/pace.ts'
import { createPageData } from '../../src/http/page_data.ts'
import type { PageDatabase } from '../../src/http/page_database.ts'
import { SharedAnswers } from '../../src/http/shared_answers.ts'
import { until } from '../support/until.ts'
import { withPage } from './pages.ts'

const test = suite('how often the page answers')

test('a burst goes at once, the rest in line, as many a second as are allowed', async () => {
  let now = 0
  const pace = new Pace({ perSecond: 50, mostWaiting: 100, longestWaitMs: 5000 }, () => now)
  const order: number[] = []
  const turns = Array.from({ length: 75 }, async (_, place) => {
    assert.ok(await pace.turn())
    order.push(place)
  })
  await sleep(10)
  assert.is(order.length, 50)
  now = 200
  await until('the next ones go', () => order.length > 50)
  assert.is(order.length, 60, 'as many as 200 ms are worth')
  now = 500
  await Promise.all(turns)
  assert.is(order.length, 75)
  assert.equal(
    order,
    [...order].sort((a, b) => a - b),
  )
})

test('whoever asks often waits for himself, and makes room for whoever does not', async () => {
  // No time passes until all have asked, and then 100 ms between any two looks at the clock.
  let now = 0
  let step = 0
  const clock = () => (now += step)
  const pace = new Pace({ perSecond: 10, burst: 1, mostWaiting: 6, longestWaitMs: 60_000 }, clock)
  assert.ok(await pace.turn('many'))
  const order: string[] = []
  const ask = async (whose: string) => order.push(`${whose} ${await pace.turn(whose)}`)
  const crowd = Array.from({ length: 6 }, () => ask('many'))
  const others = [ask('one'), ask('other')]
  step = 100
  await Promise.all([...crowd, ...others])
  assert.is(order.filter((each) => each === 'many false').length, 2, 'its last ones made room')
  const served = order.filter((each) => each.endsWith('true'))
  assert.equal(served.slice(0, 3), ['many true', 'one true', 'other true'])
  assert.is(served.length, 6)
})

test('who would wait too long, is one too many, or has gone, is let go', async () => {
  let now = 0
  const pace = new Pace({ perSecond: 5, mostWaiting: 3, longestWaitMs: 300 }, () => now)
  for (let burst = 0; burst < 5; burst += 1) assert.ok(await pace.turn())
  const gone = new AbortController()
  const waiting = [pace.turn('', gone.signal), pace.turn(), pace.turn()]
  assert.is(await pace.turn(), false, 'too many wait')
  gone.abort()
  assert.is(await waiting[0], false)
  now = 200
  assert.is(await waiting[1], true, 'one turn comes within the time')
  now = 400
  assert.is(await waiting[2], false, 'the next does not')
})

test('where a timer is early by the clock that counts, the turn comes a moment later', async () => {
  let now = 0
  const pace = new Pace({ perSecond: 5, mostWaiting: 3, longestWaitMs: 300 }, () => now)
  for (let burst = 0; burst < 5; burst += 1) assert.ok(await pace.turn())
  const waiting = pace.turn()
  now = 199.5
  await sleep(300)
  now = 210
  await sleep(50)
  now = 400
  assert.is(await waiting, true, 'not after a whole pause more, when it would be let go')
})

test('at the end nobody waits any more', async () => {
  const pace = new Pace({ perSecond: 1, mostWaiting: 3, longestWaitMs: 5000 }, () => 0)
  assert.ok(await pace.turn())
  const waiting = pace.turn()
  pace.end()
  assert.is(await waiting, false)
})

test('requests are paced, those of monitoring apart from those of people', () =>
  // The first turn comes after two seconds: by then the whole crowd is there.
  withPage({ pace: { perSecond: 0.5, burst: 5, mostWaiting: 1, longestWaitMs: 20_000 } }, async ({ ask }) => {
    const crowd = Array.from({ length: 8 }, () => ask('/search'))
    const probe = await ask('/healthz')
    assert.is(probe.status, 200)
    const answers = await Promise.all(crowd)
    const refused = answers.filter(({ status }) => status === 503)
    assert.is(answers.filter(({ status }) => status === 200).length, 6)
    assert.is(refused.length, 2)
    assert.is(refused[0]?.headers['retry-after'], '5')
    assert.match(String(refused[0]?.text), 'try again in a few seconds')
  }))

test('the same is asked once, for all who want it meanwhile and shortly after; failures, too', async () => {
  const shared = new SharedAnswers()
  let asked = 0
  const ask = async () => {
    asked += 1
    await sleep(20)
    if (asked === 2) throw new Error('not now')
    return asked
  }
  const crowd = () => Promise.allSettled(Array.from({ length: 10 }, () => shared.of('a', 60_000, ask)))
  for (const outcome of await crowd()) assert.equal(outcome, { status: 'fulfilled', value: 1 })
  await crowd()
  assert.is(asked, 1)
  shared.forget()
  for (const outcome of await crowd()) assert.is(outcome.status, 'rejected')
  await crowd()
  assert.is(asked, 2)
  shared.forget()
  assert.is(await shared.of('a', 100, ask), 3)
  await sleep(130)
  assert.is(await shared.of('a', 100, ask), 4)
})

test('the laws on the whole table are proven twice a minute at the most, whoever asks', async () => {
  let asked = 0
  const database = {
    async readPrimary() {
      asked += 1
      return []
    },
  } as unknown as PageDatabase
  const data = createPageData({ database, latestMigration: null, crontab: [] })
  for (let times = 0; times < 4; times += 1) {
    await data.health(true)
    await sleep(700)
  }
  assert.is(asked, 1)
  await data.health()
  assert.is(asked, 2)
})

test.run()
