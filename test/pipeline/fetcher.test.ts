import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import { connect } from '../../src/database/connect.ts'
import { OpenFigiAuthError } from '../../src/errors/openfigi_auth_error.ts'
import { createFetcher } from '../../src/pipeline/create_fetcher.ts'
import type { Fetcher } from '../../src/pipeline/fetcher.ts'
import { testKey } from '../support/canaries.ts'
import { withDatabase } from '../support/database.ts'
import { makeCusip, makeCusips } from '../support/identifiers_maker.ts'
import { resolve } from '../support/mappings.ts'
import { type Simulator, type SimulatorOptions, withSimulator } from '../support/openfigi_simulator.ts'
import { type RecordingLogger, recordingLogger } from '../support/recording_logger.ts'
import { until } from '../support/until.ts'

const test = suite('the fetcher')

interface Stage {
  readonly sim: Simulator
  readonly sql: Sql
  readonly logger: RecordingLogger
  fetcher(options?: { leaseMs?: number; rateLimit?: string }): Fetcher
}

function staged(work: (stage: Stage) => Promise<void>, options: SimulatorOptions = {}): Promise<void> {
  return withSimulator({ limit: { requests: 100_000, windowMs: 1000 }, ...options }, (sim) =>
    withDatabase(async ({ sql, url }) => {
      await using stack = new AsyncDisposableStack()
      const logger = recordingLogger()
      const fetcher = ({ leaseMs, rateLimit = '1000/1s' }: { leaseMs?: number; rateLimit?: string } = {}) => {
        const config = parseConfig({
          OPENFIGI_API_URL: sim.url,
          OPENFIGI_API_KEY: testKey,
          OPENFIGI_RATE_LIMIT: rateLimit,
        })
        const pool = stack.adopt(connect(url), (pool) => pool.end({ timeout: 5 }))
        return stack.adopt(createFetcher(config, { sql: pool, logger, leaseMs }), (one) => one.close(500))
      }
      await work({ sim, sql, logger, fetcher })
    }),
  )
}

async function ask(sql: Sql, values: readonly string[]): Promise<void> {
  await sql`select from public.resolve_mappings('CUSIP', ${values as string[]})`
}

async function queue(
  sql: Sql,
): Promise<{ waiting: number; claimed: number; delayed: number; errors: number }> {
  const [row] = await sql`
    select
      count(*)::int as waiting,
      count(*) filter (where claimed_until > clock_timestamp())::int as claimed,
      count(*) filter (where not_before > clock_timestamp())::int as delayed,
      count(*) filter (where attempts > 0)::int as errors
    from figi_private.fetch_requests`
  return { ...row } as { waiting: number; claimed: number; delayed: number; errors: number }
}

const empty = { waiting: 0, claimed: 0, delayed: 0, errors: 0 }

test('drains the queue in full requests, and is done at once where there is nothing', () =>
  staged(async ({ sql, sim, fetcher }) => {
    const one = fetcher()
    await one.drain()
    assert.is(sim.log.length, 0)
    await ask(sql, makeCusips(0, 730))
    await Promise.all([one.drain(), one.drain()])
    assert.equal(await queue(sql), empty)
    assert.equal(
      sim
        .filteredRequests()
        .map((entry) => entry.jobCount)
        .sort((a, b) => b - a),
      [100, 100, 100, 100, 100, 100, 100, 30],
    )
    assert.is(one.isDraining, false)
  }))

test('goes on with smaller requests where the server takes no more', () =>
  staged(
    async ({ sql, sim, fetcher }) => {
      await ask(sql, makeCusips(0, 300))
      await fetcher().drain()
      assert.equal(await queue(sql), empty)
      assert.ok(
        sim.log.filter((entry) => entry.status === 413).length <= 12,
        JSON.stringify(sim.countByStatus()),
      )
    },
    { jobsPerRequest: { key: 30 } },
  ))

test('finds the one job that is refused; the others get their answers', () =>
  staged(async ({ sql, sim, fetcher }) => {
    const [bad = '', ...others] = makeCusips(0, 100)
    sim.poison(bad)
    await ask(sql, [bad, ...others])
    const one = fetcher()
    void one.drain().catch(() => {})
    await until('all others are known', async () => {
      const [row] = await sql`select count(*)::int as count from public.security_mappings`
      return row?.count === others.length
    })
    const [request] =
      await sql`select identifier_value, attempts, last_error from figi_private.fetch_requests`
    assert.is(request?.identifier_value, bad)
    assert.ok(request?.attempts >= 1)
    assert.match(request?.last_error, '400')
  }))

test('stops at a key that is refused, says so, and loses nothing', () =>
  staged(async ({ sql, sim, fetcher }) => {
    await ask(sql, makeCusips(0, 150))
    sim.fail({ status: 401, times: Number.POSITIVE_INFINITY })
    const one = fetcher()
    await one.drain().then(
      () => assert.unreachable(),
      (error) => assert.instance(error, OpenFigiAuthError),
    )
    await until('the claims are given back', async () => (await queue(sql)).claimed === 0)
    assert.is((await queue(sql)).waiting, 150)
    assert.ok(sim.log.length <= 2)
    sim.clearFaults()
    await one.drain()
    assert.equal(await queue(sql), empty)
  }))

test('writes the answers that can be written, and fetches the others again when their lease has run out', () =>
  staged(
    async ({ sql, sim, fetcher, logger }) => {
      const unwritable = makeCusip(50)
      await sql.unsafe(`
      create function public.refuse() returns trigger language plpgsql as $$
        begin
          if new.identifier_value = '${unwritable}' then raise exception 'not this one'; end if;
          return new;
        end
      $$;
      create trigger refuse before insert on public.security_mappings
        for each row execute function public.refuse();`)
      await ask(sql, makeCusips(0, 400))
      const one = fetcher({ leaseMs: 1200 })
      void one.drain()
      await until('the rest is known', async () => {
        const [row] = await sql`select count(*)::int as count from public.security_mappings`
        return row?.count >= 250
      })
      await until('it has failed', () => logger.messages('error').join().includes('its lease will run out'))
      await sql`drop trigger refuse on public.security_mappings`
      // The process has something under way all the time, whose leases it renews.
      let asked = 1000
      const asking: Promise<void>[] = []
      const busy = setInterval(() => {
        asking.push(ask(sql, makeCusips(asked, 10)))
        asked += 10
        void one.drain()
      }, 100)
      try {
        await until(
          'it is known',
          async () => (await resolve(sql, 'CUSIP', unwritable)).status !== 'miss',
          60,
        )
      } finally {
        clearInterval(busy)
      }
      assert.ok(sim.requestsFor(unwritable).length >= 2)
      await Promise.all(asking)
      await one.drain()
      assert.equal(await queue(sql), empty)
    },
    { latencyMs: 300 },
  ))

test('keeps the leases of what is under way, however long that takes', () => {
  // The first answer takes longer than the lease, which outlasts two seconds in which nothing is renewed.
  let answers = 0
  return staged(
    async ({ sql, sim, fetcher }) => {
      await ask(sql, makeCusips(0, 20))
      const [one, other] = [fetcher({ leaseMs: 3000 }), fetcher({ leaseMs: 3000 })]
      await Promise.all([one.drain(), other.drain()])
      assert.is(sim.filteredRequests().length, 1)
      assert.equal(await queue(sql), empty)
    },
    { latencyMs: () => (answers++ === 0 ? 5000 : 0) },
  )
})

test('gives back what is under way when it is closed, to be claimed at once by others', () =>
  staged(async ({ sql, sim, fetcher }) => {
    await ask(sql, makeCusips(0, 120))
    sim.fail({ kind: 'hang', times: 2 })
    const one = fetcher()
    const drained = one.drain()
    await until('both hang', () => sim.log.length === 2)
    await one.close(200)
    await drained
    assert.equal(await queue(sql), { waiting: 120, claimed: 0, delayed: 0, errors: 0 })
    await fetcher().drain()
    assert.equal(await queue(sql), empty)
    await one.drain()
    await one.want({ type: 'CUSIP', value: makeCusip(0) }).then(
      () => assert.unreachable(),
      (error) => assert.match(error.message, 'closing'),
    )
  }))

test('sends nothing when it is closed while it waits for a slot', () =>
  staged(async ({ sql, sim, fetcher }) => {
    await ask(sql, makeCusips(0, 300))
    const one = fetcher({ rateLimit: '1/60s' })
    const drained = one.drain()
    await until('the first is recorded', async () => sim.log[0]?.status === 200)
    await one.close(100)
    await drained
    assert.is(sim.log.length, 1)
    assert.equal((await queue(sql)).claimed, 0)
  }))

test.run()
