import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { migrateUp } from '../../src/database/migrate.ts'
import { migrateDown } from '../../src/database/migrate_down.ts'
import { withDatabase } from '../support/database.ts'
import { makeCusip } from '../support/identifiers_maker.ts'

const test = suite('migrations while others work')

/** Claims and records until it is stopped; the deadlocks that it met. */
async function fetchAll(sql: Sql, claimant: string, stop: AbortSignal): Promise<string[]> {
  const deadlocks: string[] = []
  while (!stop.aborted) {
    try {
      const claims = await sql<{ identifier_type: string; identifier_value: string }[]>`
        select * from figi_private.claim_requests(${claimant}, 20, 20, interval '30 s')`
      const answers = JSON.stringify(claims.map((claim) => ({ ...claim, outcome: 'listing', ticker: 'T' })))
      await sql`select figi_private.record_answers(${answers}::text::jsonb)`
    } catch (error) {
      // What a function called before is gone for a moment; whoever fetches tries again.
      if ((error as { code?: string }).code === '40P01') deadlocks.push((error as Error).message)
    }
    await sleep(5)
  }
  return deadlocks
}

/** Looks up what is unknown until it is stopped; what went wrong. */
async function lookUp(sql: Sql, next: () => string, stop: AbortSignal): Promise<string[]> {
  const faults: string[] = []
  while (!stop.aborted) {
    await sql`select status from public.resolve_mapping('CUSIP', ${next()})`.catch((error) =>
      faults.push(error.message),
    )
    await sleep(5)
  }
  return faults
}

test('deadlock with nobody who looks up, claims or records answers', () =>
  withDatabase(async ({ sql, url }) => {
    const stopping = new AbortController()
    let place = 0
    const next = () => makeCusip(place++)
    const work = [
      ...['a', 'b'].map((claimant) => fetchAll(sql, claimant, stopping.signal)),
      ...[1, 2, 3].map(() => lookUp(sql, next, stopping.signal)),
    ]
    for (let time = 0; time < 3; time++) {
      await sleep(200)
      await migrateDown(url, { force: true })
      await sleep(200)
      await migrateUp(url)
    }
    stopping.abort()
    assert.equal((await Promise.all(work)).flat(), [])
    const [answered] = await sql<
      { count: number }[]
    >`select count(*)::int as count from public.security_mappings`
    assert.ok((answered?.count ?? 0) > 0)
  }))

test.run()
