import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Flusher, type FlusherOptions } from '../../src/counting/flusher.ts'
import { type Count, Tally } from '../../src/counting/tally.ts'
import { type RecordingLogger, recordingLogger } from '../support/recording_logger.ts'
import { until } from '../support/until.ts'

const test = suite('a flusher')

type Written = readonly [flush: number, counts: Readonly<Record<string, number>>]

interface Stage {
  readonly tally: Tally
  readonly flusher: Flusher
  readonly logger: RecordingLogger
  /** Every attempt. */
  readonly attempts: Written[]
  /** Whether the process has said that it ends. */
  readonly ends: () => number
  /** Counts so many answers with a code. */
  answer(code: string, count?: number): void
}

const totals = (counts: readonly Count[]) =>
  Object.fromEntries(counts.map(({ labels, count }) => [labels.code as string, count]))

/** What becomes of the attempts, in their order; further ones succeed. */
type Outcome = 'written' | Error | Promise<unknown>

async function staged(
  outcomes: readonly Outcome[],
  work: (stage: Stage) => Promise<void>,
  options: Partial<FlusherOptions> = {},
): Promise<void> {
  const tally = new Tally()
  const logger = recordingLogger()
  const attempts: Written[] = []
  let ends = 0
  const flusher = new Flusher({
    tally,
    write: async (flush, counts) => {
      attempts.push([flush, totals(counts)])
      const outcome = outcomes[attempts.length - 1]
      if (outcome instanceof Error) throw outcome
      await outcome
    },
    end: async () => {
      ends += 1
    },
    logger,
    everyMs: 3_600_000,
    ...options,
  })
  try {
    const answer = (code: string, count = 1) => tally.add('openfigi_requests', { code }, count)
    await work({ tally, flusher, logger, attempts, ends: () => ends, answer })
  } finally {
    await flusher.close()
  }
}

const fault = (code: string) => Object.assign(new Error(`fault ${code}`), { code })

test('writes what there is, with a number that rises, and nothing where there is nothing', () =>
  staged([], async ({ flusher, attempts, answer }) => {
    assert.is(await flusher.flush(), true)
    answer('200', 3)
    answer('429')
    await flusher.flush()
    await flusher.flush()
    answer('200')
    await flusher.flush()
    assert.equal(attempts, [
      [1, { 200: 3, 429: 1 }],
      [2, { 200: 1 }],
    ])
  }))

test('tries a flush that failed again under its number, with the same counts, before what was counted since', () =>
  staged([fault('CONNECTION_CLOSED'), fault('57P01')], async ({ flusher, attempts, answer }) => {
    answer('200', 3)
    assert.is(await flusher.flush(), false)
    answer('200', 5)
    answer('500')
    assert.is(await flusher.flush(), false)
    answer('500')
    assert.is(await flusher.flush(), true)
    await flusher.flush()
    assert.equal(attempts, [
      [1, { 200: 3 }],
      [1, { 200: 3 }],
      [1, { 200: 3 }],
      [2, { 200: 5, 500: 2 }],
    ])
  }))

test('writes one flush at a time, and counts on meanwhile', async () => {
  const slow = Promise.withResolvers<void>()
  await staged([slow.promise], async ({ flusher, attempts, answer }) => {
    answer('200')
    const first = flusher.flush()
    answer('200', 2)
    const second = flusher.flush()
    assert.is(first, second)
    assert.is(attempts.length, 1)
    slow.resolve()
    await second
    await flusher.flush()
    assert.equal(attempts, [
      [1, { 200: 1 }],
      [2, { 200: 2 }],
    ])
  })
})

test('gives up waiting for a database that does not answer, and after three such attempts until one settles', async () => {
  const never = [1, 2, 3].map(() => Promise.withResolvers<void>())
  await staged(
    never.map(({ promise }) => promise),
    async ({ flusher, attempts, answer }) => {
      answer('200')
      for (let n = 0; n < 5; n += 1) assert.is(await flusher.flush(), false)
      assert.is(attempts.length, 3)
      never[1]?.reject(fault('CONNECTION_CLOSED'))
      await until('it is tried again', async () => flusher.flush())
      assert.equal(attempts.at(-1), [1, { 200: 1 }])
      for (const { resolve } of never) resolve()
    },
    { deadlineMs: 20 },
  )
})

/** Runs `work` with a way to let the clock, by which a flusher rests, go on at once. */
async function withClock(work: (pass: (milliseconds: number) => void) => Promise<void>): Promise<void> {
  const { now } = performance
  let passedMs = 0
  performance.now = () => now.call(performance) + passedMs
  try {
    await work((milliseconds) => {
      passedMs += milliseconds
    })
  } finally {
    performance.now = now
  }
}

test('leaves a database that refuses counts alone, says so once and not aloud, and goes on counting', () =>
  withClock((pass) =>
    staged([fault('42501'), fault('42883')], async ({ flusher, attempts, logger, answer }) => {
      answer('200')
      await flusher.flush()
      for (let n = 0; n < 10; n += 1) {
        answer('200')
        pass(50_000)
        assert.is(await flusher.flush(), false)
      }
      assert.is(attempts.length, 1)
      pass(100_000)
      assert.is(await flusher.flush(), false)
      assert.is(attempts.length, 2, 'it is tried again')
      assert.is(await flusher.flush(), false)
      assert.is(attempts.length, 2)
      pass(600_000)
      assert.is(await flusher.flush(), true)
      assert.equal(attempts.slice(-2), [
        [1, { 200: 1 }],
        [2, { 200: 10 }],
      ])
      assert.equal(
        logger.lines.map(({ level, message }) => `${level}: ${message}`),
        ['debug: The database takes no counts: nothing is counted there'],
      )
    }),
  ))

test('a worker warns once of what the database refuses again and again, and not of one that is away', async () => {
  const outcomes = ['57P01', '57P01', '25006', '25006', '25006', '55000'].map(fault)
  const warningsOf = async (isHeartbeat: boolean) => {
    const counts: number[] = []
    await staged(
      outcomes,
      async ({ flusher, logger }) => {
        for (const _ of outcomes) {
          await flusher.flush()
          counts.push(logger.messages('warn').length)
        }
      },
      { isHeartbeat },
    )
    return counts
  }
  assert.equal(await warningsOf(true), [0, 0, 0, 1, 1, 1])
  assert.equal(await warningsOf(false), [0, 0, 0, 0, 0, 0])
})

test('does not try counts again that the database takes for nonsense', () =>
  staged([fault('PF002')], async ({ flusher, attempts, logger, answer }) => {
    answer('a code that nobody knows')
    assert.is(await flusher.flush(), false)
    answer('200')
    assert.is(await flusher.flush(), true)
    assert.equal(attempts.at(-1), [2, { 200: 1 }])
    assert.is(logger.messages('warn').length, 1)
  }))

test('writes by itself, and where it is a heartbeat also when there is nothing to count', () =>
  staged(
    [],
    async ({ attempts }) => {
      await until('it has written', () => attempts.length >= 3)
      assert.equal(attempts.slice(0, 3), [
        [1, {}],
        [2, {}],
        [3, {}],
      ])
    },
    { everyMs: 10, isHeartbeat: true },
  ))

test('writes what is left at the end, then says that the process ends; says nothing where it never wrote', async () => {
  await staged([fault('08006')], async ({ flusher, attempts, ends, answer }) => {
    answer('200')
    await flusher.flush()
    answer('500')
    await Promise.all([flusher.close(), flusher.close()])
    assert.equal(attempts.slice(1), [
      [1, { 200: 1 }],
      [2, { 500: 1 }],
    ])
    assert.is(ends(), 1)
  })
  await staged([], async ({ flusher, attempts, ends }) => {
    await flusher.close()
    assert.equal(attempts, [])
    assert.is(ends(), 0)
  })
})

test('ends soon where the database does not answer', async () => {
  const never = Promise.withResolvers<void>()
  await staged(
    [never.promise],
    async ({ flusher, ends, answer }) => {
      answer('200')
      void flusher.flush()
      const startedAt = performance.now()
      await flusher.close()
      assert.ok(performance.now() - startedAt < 4_500, 'it would be five seconds')
      assert.is(ends(), 0)
    },
    { deadlineMs: 50 },
  )
  never.resolve()
})

test.run()
