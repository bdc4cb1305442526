// takes minutes: the crontab goes by the minute
import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isAtLength } from '../support/at_length.ts'
import { testKey } from '../support/canaries.ts'
import { forkProgram } from '../support/child.ts'
import { clockOff } from '../support/clock.ts'
import { withDatabase } from '../support/database.ts'
import { figure } from '../support/figure.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { requireLawful } from '../support/lawful.ts'
import { withSimulator } from '../support/openfigi_simulator.ts'
import { until } from '../support/until.ts'

const test = suite('two workers with one crontab')

const minuteMs = 60_000

/** How far a clock has to be off to say, so long from now, that a minute begins; about as far as it is off already. */
function beforeTheMinute(milliseconds: number, offsetMs: number): number {
  const seen = Date.now() + offsetMs + milliseconds
  return offsetMs + (minuteMs - (seen % minuteMs))
}

/** Keeps, of each job that the crontab adds, for which minute. */
async function noteCronJobs(sql: Sql): Promise<void> {
  await sql`create table public.cron_jobs (task text, minute timestamptz, key text)`
  await sql.unsafe(`
    create function public.note_cron_job() returns trigger language plpgsql security definer as $$
    begin
      if new.payload -> '_cron' is not null then
        insert into public.cron_jobs values (new.task_id::text, (new.payload -> '_cron' ->> 'ts')::timestamptz, new.key);
      end if;
      return null;
    end $$;
    create trigger note_cron_job after insert or update of payload on graphile_worker._private_jobs
      for each row execute function public.note_cron_job()`)
}

const stale = Array.from({ length: 60 }, (_, n) => makeCusip(n))

test('add each job of a minute once, whatever their clocks say, and ask for what is stale once', () => {
  const universe = { unknownShare: 0, bondShare: 0, foreignShare: 0 }
  return withSimulator({ limit: { requests: 1000, windowMs: 1000 }, latencyMs: 300, universe }, (sim) =>
    withDatabase(async ({ sql, url }) => {
      await sql`
        select from public.upsert_mappings(
          array_fill('CUSIP'::text, array[${stale.length}]::integer[]), ${stale}, array_fill('OLD'::text, array[${stale.length}]::integer[]), now() - interval '90 days'
        )`
      await noteCronJobs(sql)
      const environment = {
        DATABASE_URL: url,
        OPENFIGI_API_URL: sim.url,
        OPENFIGI_API_KEY: testKey,
        OPENFIGI_RATE_LIMIT: '1000/1s',
        OPENFIGI_AUTO_REFRESH_STALE: 'true',
      }
      await using workers = new AsyncDisposableStack()
      // As if a minute began twenty seconds from now; the third is some minutes ahead.
      const offsets = [0, 0, 240_000].map((offsetMs) => beforeTheMinute(20_000, offsetMs))
      await Promise.all(
        offsets.map(async (offsetMs) =>
          workers.use(
            await forkProgram('worker_process.ts', {}, { ...environment, ...clockOff({ offsetMs }) }),
          ),
        ),
      )
      for (const _ of [1, 2]) await sql`select graphile_worker.add_job('refresh_stale_mappings')`
      await until(
        'a minute has begun for all',
        async () => {
          const minutes = await sql`select distinct minute from public.cron_jobs`
          return minutes.length >= 1
        },
        60,
      )
      await until('all is fresh', async () => {
        const [row] = await sql<{ left: number }[]>`
          select (select count(*) from public.stale_mappings())::int + (select count(*) from figi_private.fetch_requests)::int as left`
        return row?.left === 0
      })
      if (isAtLength) {
        const minutesBegun = async (count: number) => {
          const begun = async () => (await sql`select distinct minute from public.cron_jobs`).length
          await until(`${count} minutes have begun`, async () => (await begun()) >= count, 200)
        }
        const drain = async () => {
          const [job] = await sql<{ id: string; runAt: Date }[]>`
            select id, run_at as "runAt" from graphile_worker.jobs where key = 'pgfigi_drain'`
          return job
        }
        // The one that is ahead adds jobs for later: that they are put off again each minute would keep them from ever running.
        await minutesBegun(3)
        const first = await drain()
        await minutesBegun(5)
        const second = await drain()
        if (first && first.id === second?.id) assert.equal(second.runAt, first.runAt, 'the drain is put off')
      }
      const jobs = await sql<{ minute: Date; count: number }[]>`
        select minute, count(*)::int as count from public.cron_jobs where key = 'pgfigi_drain' group by minute order by minute`
      assert.equal(
        jobs.map(({ count }) => count),
        jobs.map(() => 1),
      )
      for (const value of stale) assert.is(sim.requestsFor(value).length, 1, `${value} was asked for`)
      await requireLawful(sql)
      figure(
        `3 workers, one 4 min ahead, ${jobs.length} minutes of the crontab, ${stale.length} stale fetched once each`,
      )
    }),
  )
})

test.run()
