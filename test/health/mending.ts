import * as assert from 'uvu/assert'
import { run } from '../cli/pgfigi.ts'
import { remediesOf } from '../operations/pages.ts'
import { setHere } from '../support/health_causes.ts'
import type { Session } from '../support/mappings.ts'
import { timePasses } from '../support/time_passes.ts'
import { until } from '../support/until.ts'
import { endPageSessions, type Installed, startAmong, untilUnwell, waitingFor } from './installed.ts'

/** Does what the runbooks say, and lets the time pass after which the rest is well by itself. */
export async function mendEverything(
  { sql, url, openfigi, replica, main, env, running }: Installed,
  sessions: readonly Session[],
): Promise<void> {
  const pgfigi = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(args, { main, env })
    assert.is(code, 0, stderr)
    return stdout
  }
  for (const remedy of await remediesOf('laws')) await sql.unsafe(remedy)
  await setHere(sql, 'pgfigi.health_gave_up_fail', null)
  await endPageSessions(sql)
  await Promise.all(sessions.map((session) => session[Symbol.asyncDispose]()))
  if (replica) await replica`select pg_wal_replay_resume()`
  assert.match(await pgfigi('migrate', 'up'), 'the-next-version')
  assert.match(await pgfigi('worker', 'unlock', '--json'), /"unlocked":[1-9]/)

  // OpenFIGI is back, and knows all of them; the block ends; the new worker has the right key.
  openfigi.reset()
  await timePasses(sql, '10 minutes')
  await sql`vacuum (analyze) figi_private.actions`
  await startAmong(running, ['worker'], { main, env }).printed('Ready.')
  for (const name of ['failed_jobs', 'gave_up']) {
    const [first = ''] = await remediesOf(name)
    await sql.unsafe(first)
  }
  await pgfigi('refresh', '--wait')
  await until('all is fetched', async () => (await waitingFor(sql)) === 0)
  // Which nothing but time heals.
  await untilUnwell(url, ['rate_limited fail'])
  // It has caught up; half a second behind is nothing to be told of, and comes by itself on a busy machine.
  await setHere(sql, 'pgfigi.health_replica_lag_warn', null)
  await setHere(sql, 'pgfigi.health_replica_lag_fail', null)
  await endPageSessions(sql)
  await timePasses(sql, '1 hour')
}
