import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withDatabase } from '../support/database.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { observe, openSession, type Session } from '../support/mappings.ts'

const test = suite('dumps that are read back while others write')

const forMs = 1500

/** A dump's row of a day long ago, with this id or none. */
const rowOf = (n: number, id?: number) => ({
  ...(id === undefined ? {} : { id }),
  identifier_type: 'CUSIP',
  identifier_value: makeCusip(n),
  ticker: 'R',
  has_no_results: false,
  start_date: '2010-01-01T00:00:00Z',
  end_date: '2010-02-01T00:00:00Z',
  last_fetched_date: '2010-01-01T00:00:00Z',
  source: 'openfigi',
  is_derived: false,
})

async function restore({ sql }: Session, row: object): Promise<string | undefined> {
  const [outcome] = await sql<{ outcome: string }[]>`
    select outcome from figi_private.restore_rows('security_mappings', ${JSON.stringify([row])}::text::jsonb)`
  return outcome?.outcome
}

test('take no number that somebody else has, and give none twice', () =>
  withDatabase(async ({ sql, url }) => {
    const sessions = await Promise.all(Array.from({ length: 6 }, () => openSession(url)))
    const until = performance.now() + forMs
    const counts = await Promise.all(
      sessions.map(async (session, n) => {
        let times = 0
        for (; performance.now() < until; times += 1) {
          const place = n * 100_000 + times
          if (n >= 2) await observe(session.sql, 'CUSIP', makeCusip(place), 'T')
          else {
            // With ids a little, and far, beyond those that are given out; and without any.
            const id = [undefined, place + 40, (n + 1) * 1_000_000 + times * 200_000][times % 3]
            assert.is(await restore(session, rowOf(place, id)), 'imported')
          }
        }
        return times
      }),
    )
    await Promise.all(sessions.map((session) => session[Symbol.asyncDispose]()))
    const [row] = await sql<{ count: number }[]>`select count(*)::int as count from public.security_mappings`
    assert.is(
      row?.count,
      counts.reduce((sum, count) => sum + count, 0),
    )
  }))

test.run()
