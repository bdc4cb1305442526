// takes minutes: whole versions of pgfigi are copied, and many commands run
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Installation, jsonLines, type Running, run, start, withInstallation } from '../cli/pgfigi.ts'
import { amount } from '../support/at_length.ts'
import { figure } from '../support/figure.ts'
import { makeCusip, makeCusips } from '../support/identifiers_maker.ts'
import { requireLawful } from '../support/lawful.ts'
import { askFor, mappingCount } from '../support/mappings.ts'
import { withNextVersion } from '../support/next_version.ts'
import { until } from '../support/until.ts'

const test = suite('a migration while workers run')

/** Replaces what workers call, as a migration of a next version might. */
const next = {
  message: 'the next version',
  body: `
    create or replace function figi_private.next_claim_in() returns interval language sql as 'select null::interval';
    alter function figi_private.record_answers(jsonb, interval) rename to record_answers_of_before;`,
  undo: `
    alter function figi_private.record_answers_of_before(jsonb, interval) rename to record_answers;`,
}

/** Takes longer than it takes to try again, and leaves a trace. */
const slow = {
  message: 'a slow one',
  body: 'create table figi_private.made_slowly (); select pg_sleep(8);',
}

const newer =
  /A newer pgfigi has migrated this database \(to 00000\d\.sql\): upgrade this one to that version\./
const older = /The database has an older pgfigi: run pgfigi migrate up\./

interface Stage extends Installation {
  readonly running: Running[]
}

const limit = { limit: { requests: 1000, windowMs: 1000 }, latencyMs: 100 }

function staged(work: (stage: Stage) => Promise<void>): Promise<void> {
  return withInstallation(async (installation) => {
    const running: Running[] = []
    const env = { ...installation.env, OPENFIGI_RATE_LIMIT: '1000/1s' }
    try {
      await work({ ...installation, env, running })
    } finally {
      for (const { child } of running) child.kill('SIGKILL')
      await Promise.all(running.map(({ ended }) => ended))
    }
  }, limit)
}

async function worker({ env, running }: Stage, main?: string): Promise<Running> {
  const started = start(['worker'], { env, ...(main ? { main } : {}) })
  running.push(started)
  await started.printed('Ready.')
  return started
}

test('to a newer schema, the workers stop and say why, refuse to start, and the newer one fetches what they left', () =>
  staged(async (stage) => {
    const { sql, env } = stage
    // The names stay what they are: what the newer version calls is what this one called.
    const kept = {
      ...next,
      body: 'create table figi_private.next_version ();',
      undo: 'drop table figi_private.next_version;',
    }
    await withNextVersion(kept, async (main) => {
      const workers = await Promise.all([worker(stage), worker(stage)])
      let asked = 0
      const asking = new AbortController()
      const load = (async () => {
        for (; !asking.signal.aborted; asked += 20) {
          await askFor(sql, makeCusips(asked, 20))
          await sleep(20)
        }
      })()
      await until('some are known', async () => (await mappingCount(sql)) > 50)
      const upAt = performance.now()
      const up = await run(['migrate', 'up'], { env, main })
      assert.is(up.code, 0, up.stderr)
      const ended = await Promise.all(workers.map((one) => one.ended))
      figure(
        `workers of before gone ${((performance.now() - upAt) / 1000).toFixed(1)} s after migrate up began`,
      )
      asking.abort()
      await load
      for (const { code, stderr } of ended) {
        assert.is(code, 1, stderr)
        assert.match(stderr, newer)
      }
      assert.is((await sql`select from figi_private.fetch_requests where claimed_by is not null`).length, 0)

      const refused = await run(['worker'], { env })
      assert.is(refused.code, 1)
      assert.match(refused.stderr, newer)
      const health = await run(['health', '--json'], { env })
      const checks = (
        JSON.parse(health.stdout) as { checks: { name: string; status: string; sentence: string }[] }
      ).checks
      const migrations = checks.find(({ name }) => name === 'migrations')
      assert.is(migrations?.status, 'warn')
      assert.match(migrations?.sentence ?? '', 'knows only')
      const looked = await run(['resolve', makeCusip(0), '--json'], { env })
      assert.is(looked.code, 0, `a client of before goes on: ${looked.stderr}`)
      assert.is(jsonLines(looked.stdout).length, 1)

      const newest = await worker(stage, main)
      await until(
        'nothing is asked for',
        async () => (await sql`select from figi_private.fetch_requests`).length === 0,
      )
      assert.is(await mappingCount(sql), asked)
      await requireLawful(sql)

      const down = await run(['migrate', 'down', '--force'], { env, main })
      assert.is(down.code, 0, down.stderr)
      const behind = await newest.ended
      assert.is(behind.code, 1)
      assert.match(behind.stderr, older)
    })
  }))

test('that takes from the workers what they call: they stop all the same, and nothing that was asked for is lost', () =>
  staged(async (stage) => {
    const { sql, env } = stage
    await withNextVersion(next, async (main) => {
      const old = await worker(stage)
      await askFor(sql, makeCusips(0, 400))
      await until('some are known', async () => (await mappingCount(sql)) > 0)
      assert.is((await run(['migrate', 'up'], { env, main })).code, 0)
      await askFor(sql, makeCusips(400, 100))
      const { code, stderr } = await old.ended
      assert.is(code, 1, stderr)
      assert.match(stderr, newer)
      const [row] = await sql<{ left: number }[]>`
        select count(distinct identifier_value)::int as left
        from figi_private.fetch_requests
        where gave_up_at is null`
      assert.is((row?.left ?? 0) + (await mappingCount(sql)), 500)
      await requireLawful(sql)
    })
  }))

test('killed in the middle of it, migrate up is as if it had never been run, and ends the next time', () =>
  staged(async (stage) => {
    const { sql, env, running } = stage
    await withNextVersion(slow, async (main) => {
      for (let time = 0; time < amount(1, 2); time += 1) {
        const killed = start(['migrate', 'up'], { env, main })
        running.push(killed)
        await until('it migrates', async () => {
          const busy = await sql`
            select from pg_stat_activity
            where datname = current_database() and wait_event = 'PgSleep'`
          return busy.length > 0
        })
        killed.child.kill('SIGKILL')
        await killed.ended
      }
      const [first, second] = await Promise.all([
        run(['migrate', 'up'], { env, main }),
        run(['migrate', 'up'], { env, main }),
      ])
      assert.equal([first.code, second.code], [0, 0], first.stderr + second.stderr)
      const names = (first.stdout + second.stdout).match(/a-slow-one/g)
      assert.is(names?.length, 1, 'applied once')
      assert.is(
        (
          await sql`select from graphile_migrate.migrations where filename = (select max(filename) from graphile_migrate.migrations)`
        ).length,
        1,
      )
    })
  }))

test.run()
