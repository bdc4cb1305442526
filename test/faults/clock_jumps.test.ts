import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { amount } from '../support/at_length.ts'
import { testKey } from '../support/canaries.ts'
import { type Child, forkProgram } from '../support/child.ts'
import type { ClientAnswer } from '../support/client_process.ts'
import { clockOff } from '../support/clock.ts'
import { figure } from '../support/figure.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { requireLawful } from '../support/lawful.ts'
import { observe, periodsOf } from '../support/mappings.ts'
import { until } from '../support/until.ts'
import { type WorkerStage, withWorkerStage } from '../support/worker_stage.ts'

const test = suite('clocks')

function staged(latencyMs: number, work: (stage: WorkerStage) => Promise<void>): Promise<void> {
  const universe = { unknownShare: 0, foreignShare: 0, bondShare: 0 }
  return withWorkerStage({ latencyMs, universe }, work)
}

async function jump(child: Child): Promise<void> {
  process.kill(child.pid, 'SIGUSR2')
  await sleep(200)
}

/** Next to the smallest jump nothing, and longer than anything takes here. */
const mostAge = 600

const isRecent = (ages: readonly number[]) =>
  ages.length === 2 && ages.every((age) => age >= 0 && age < mostAge)

/** How far the times of an identifier lie from now, by the database's clock, in seconds. */
async function agesOf(sql: Sql, value: string): Promise<readonly number[]> {
  const [row] = await sql<{ ages: number[] }[]>`
    select array[extract(epoch from clock_timestamp() - start_date), extract(epoch from clock_timestamp() - last_fetched_date)]::float8[] as ages
    from public.security_mappings
    where identifier_value = ${value} and end_date is null`
  return row?.ages ?? []
}

const hourMs = 3_600_000
const jumps = [400 * 24 * hourMs, -400 * 24 * hourMs, hourMs, -hourMs].slice(0, amount(2, 4))

test('that jump under a client make no age wrong and nothing fetched twice', () =>
  staged(50, async ({ sim, sql, url }) => {
    const known = makeCusip(1)
    await observe(sql, 'CUSIP', known, 'KNOWN')
    await Promise.all(
      jumps.map(async (jumpMs, n) => {
        const options = {
          dbUrl: url,
          apiUrl: sim.url,
          apiKey: testKey,
          rateLimit: '1000/1s',
          cacheInProcess: 100,
        }
        await using client = await forkProgram('client_process.ts', options, clockOff({ jumpMs }))
        const ask = async (value: string) => {
          const { answers } = await client.ask<ClientAnswer>({ inputs: [known, value] })
          assert.equal(
            answers.map(({ status, error }) => [status, error ?? null]),
            [
              ['hit', null],
              ['hit', null],
            ],
          )
          const ages = await agesOf(sql, value)
          assert.ok(isRecent(ages), `${jumpMs} ms: aged ${ages} s`)
        }
        const [before, after] = [makeCusip(10 + n), makeCusip(20 + n)]
        await ask(before)
        await jump(client)
        await ask(after)
        await ask(before)
        assert.equal(
          [before, after, known].map((value) => sim.requestsFor(value).length),
          [1, 1, 0],
        )
        await client.end('SIGTERM')
      }),
    )
    figure(`${jumps.length} clients whose clocks jumped by up to 400 days`)
  }))

test('some minutes off do a worker no harm, and one that jumps by 400 days ends it with a sentence', () =>
  staged(50, async ({ sim, sql, environment }) => {
    // By its clock a minute ends some seconds after it has started: a run of the crontab is due when it has just jumped.
    const offsetMs = 300_000 + (55_000 - (Date.now() % 60_000))
    const off = clockOff({ offsetMs, jumpMs: 400 * 24 * hourMs })
    await using worker = await forkProgram('worker_process.ts', {}, { ...environment, ...off })
    const value = makeCusip(1)
    await sql`select from public.resolve_mapping('CUSIP', ${value})`
    await until('it is known', async () => (await agesOf(sql, value)).length === 2)
    assert.ok(isRecent(await agesOf(sql, value)))
    assert.is(sim.requestsFor(value).length, 1)
    await jump(worker)
    assert.is(await worker.ended(), 1, worker.output())
    const why =
      /The clock of this machine is 400 days ahead of the database's, and the crontab goes by it: set both right/
    await until('it has said why', () => why.test(worker.output()))
    const [cron] = await sql<{ ahead: number }[]>`
      select coalesce(extract(epoch from max(last_execution) - now()), 0)::float8 as ahead from graphile_worker._private_known_crontabs`
    assert.ok((cron?.ahead ?? 0) < 600, 'no run of the crontab is recorded far in the future')
  }))

test('that stand still, as for a worker that is stopped while it waits for an answer: what others fetched meanwhile stays', () =>
  staged(1000, async ({ sim, sql, environment }) => {
    const value = makeCusip(1)
    sim.rename(value, 'OLD')
    await using stopped = await forkProgram('worker_process.ts', { leaseMs: 2000 }, environment)
    await sql`select from public.resolve_mapping('CUSIP', ${value})`
    await until('it has been asked for', () => sim.requestsFor(value).length === 1)
    process.kill(stopped.pid, 'SIGSTOP')
    await sleep(1300) // the answer is on its way
    sim.rename(value, 'NEW')
    await using other = await forkProgram('worker_process.ts', { leaseMs: 2000 }, environment)
    await until('the other has fetched it', async () => (await periodsOf(sql, 'CUSIP', value)).length === 1)
    const before = await periodsOf(sql, 'CUSIP', value)
    assert.is(before[0]?.ticker, 'NEW')
    await sleep(amount(0, 15_000))
    process.kill(stopped.pid, 'SIGCONT')
    // It goes on: what it is asked then, it fetches.
    await other.end('SIGTERM')
    const later = makeCusip(2)
    await sql`select from public.resolve_mapping('CUSIP', ${later})`
    await until('it works again', async () => (await agesOf(sql, later)).length === 2)
    assert.equal(await periodsOf(sql, 'CUSIP', value), before)
    assert.is(sim.requestsFor(value).length, 2)
    await requireLawful(sql)
    await stopped.end('SIGTERM')
  }))

test.run()
