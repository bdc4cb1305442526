import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withFolder } from '../import/reading.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import type { Simulator } from '../support/openfigi_simulator.ts'
import { jsonLines, run, start, withInstallation } from './pgfigi.ts'

const test = suite('pgfigi warm')

/** The limit is what the command is told. */
const unlimited = { latencyMs: 100, limit: { requests: 1_000_000, windowMs: 1000 } }

const cusips = (count: number) => Array.from({ length: count }, (_, n) => makeCusip(n))

const known = async (sql: Sql) =>
  Number((await sql`select count(*)::int as count from security_mappings`)[0]?.count)

/** Identifiers that were asked for more than once in one round. */
function askedTwice(openfigi: Simulator): string[] {
  const times = new Map<string, number>()
  for (const { jobs, filtered } of openfigi.log) {
    for (const { idValue } of jobs) {
      const key = `${idValue} ${filtered}`
      times.set(key, (times.get(key) ?? 0) + 1)
    }
  }
  return [...times].filter(([, count]) => count > 1).map(([key]) => key)
}

test('a file is requested and fetched; again, nothing is asked', () =>
  withInstallation(async ({ env, sql, openfigi }) =>
    withFolder(async (folder) => {
      const path = join(folder, 'holdings.csv')
      const rows = [...cusips(120), makeCusip(0), 'nothing', ''].map((cusip, n) => `fund,${cusip},${n}`)
      await writeFile(path, `owner,cusip,shares\n${rows.join('\n')}\n`)
      const first = await run(['warm', path, '--json'], { env })
      assert.is(first.code, 0, first.stderr)
      assert.equal(jsonLines(first.stdout), [
        { read: 123, known: 0, waiting: 1, requested: 120, invalid: 2, pending: 0, gave_up: 0 },
      ])
      assert.is(await known(sql), 120)
      assert.equal(askedTwice(openfigi), [])
      assert.is(openfigi.filteredRequests().length, 2)
      const requests = openfigi.log.length
      const again = await run(['warm', path, '--column', 'CUSIP'], { env })
      assert.is(again.stdout, 'Read 123 rows: 0 requested, 0 requested before, 121 known, 2 invalid.\n')
      assert.is(openfigi.log.length, requests)
    }),
  ))

test('where OpenFIGI cannot be reached it ends, says so and keeps the requests', () =>
  withInstallation(async ({ env, sql }) => {
    const { code, stdout, stderr } = await run(['warm', '-'], {
      env: { ...env, OPENFIGI_API_URL: 'http://127.0.0.1:1' },
      input: cusips(3).join('\n'),
    })
    assert.is(code, 1, stderr)
    assert.match(stdout, '3 requested')
    assert.match(stderr, 'OpenFIGI')
    assert.is((await sql`select from figi_private.fetch_requests`).length, 3)
  }))

test('a list on stdin is only requested with --no-wait, at the priority of warming', () =>
  withInstallation(async ({ env, sql, openfigi }) => {
    const { code, stdout, stderr } = await run(['warm', '-', '--no-wait'], {
      env,
      input: cusips(3).join('\n'),
    })
    assert.is(code, 0, stderr)
    assert.is(stdout, 'Read 3 rows: 3 requested, 0 requested before, 0 known, 0 invalid.\n')
    assert.match(stderr, '3 identifiers in all to be fetched')
    assert.is(openfigi.log.length, 0)
    const rows = await sql`select distinct priority from figi_private.fetch_requests`
    assert.equal(
      rows.map((row) => row.priority),
      [1],
    )
  }))

test('a query of the user’s own tables gives the identifiers; one that cannot be run is told in a sentence', () =>
  withInstallation(async ({ env, sql }) => {
    await sql`create table holdings (fund text, cusip char(12), isin text)`
    await sql`
      insert into holdings
      select 'a', value, null from unnest(${cusips(6)}::text[]) value
      union all
      values ('b', '', 'US0378331005'), ('b', '037833100', 'US0378331005'), ('b', null, null)`
    const warm = (...args: string[]) => run(['warm', '--no-wait', '--json', ...args], { env })
    const [both, isins, wrong, two, missing] = await Promise.all([
      warm('--query', 'select cusip, isin from holdings;'),
      warm('--query', 'select * from holdings', '--column', 'isin'),
      warm('--query', 'select cusip from holding'),
      warm('holdings.csv', '--query', 'select 1'),
      warm('no-such-file.csv'),
    ])
    assert.is(both?.code, 0, both?.stderr)
    const [counts] = jsonLines(both?.stdout ?? '')
    assert.equal([counts?.read, counts?.invalid], [9, 1])
    assert.equal(jsonLines(isins?.stdout ?? '')[0]?.invalid, 7)
    assert.equal([wrong?.code, wrong?.stdout], [2, ''])
    assert.match(
      wrong?.stderr,
      /^error: The query cannot be run: relation "holding" does not exist, at character 19\.\n$/,
    )
    assert.is(two?.code, 2)
    assert.is(missing?.code, 1)
    assert.match(missing?.stderr, 'no-such-file.csv')
    const [row] =
      await sql`select count(distinct identifier_value)::int as count from figi_private.fetch_requests`
    assert.is(row?.count, 8)
  }))

test('killed in the middle and run again, it goes on: only what was in flight is asked for again', () =>
  withInstallation(async ({ env, sql, openfigi }) => {
    const limited = { ...env, OPENFIGI_RATE_LIMIT: '4/1s' }
    const input = cusips(1000).join('\n')
    // It answers six requests, and no more: however late it is killed, it is in the middle.
    openfigi.fail({ kind: 'hang', times: Number.POSITIVE_INFINITY, match: () => openfigi.log.length > 6 })
    const first = start(['warm', '-'], { env: limited })
    first.child.stdin.end(input)
    await first.until('some are known', async () => (await known(sql)) > 300)
    first.child.kill('SIGKILL')
    await first.ended
    const claimed = await sql<{ value: string }[]>`
        select identifier_value as value from figi_private.fetch_requests where claimed_until is not null`
    const inFlight = new Set(claimed.map(({ value }) => value))
    const done = await known(sql)
    assert.ok(done < 950, `${done} were known when it was killed`)
    openfigi.clearFaults()
    // As if half a minute had gone by.
    await sql`update figi_private.fetch_requests set claimed_until = clock_timestamp() where claimed_by is not null`

    const second = await run(['warm', '-', '--json'], {
      env: { ...env, OPENFIGI_RATE_LIMIT: '1000/1s' },
      input,
    })
    assert.is(second.code, 0, second.stderr)
    const [summary] = jsonLines(second.stdout)
    assert.is(summary?.requested, 0, 'it asked for all of them before it was killed')
    assert.is(Number(summary?.known) + Number(summary?.waiting), 1000)
    assert.is(summary?.pending, 0)
    assert.is(await known(sql), 1000)
    assert.equal(
      askedTwice(openfigi).filter((key) => !inFlight.has(key.split(' ')[0] ?? '')),
      [],
    )
    console.log(`\n    killed with ${done} of 1000 known and ${inFlight.size} claimed`)
  }, unlimited))

test('interrupted, it gives back what it has claimed, and asks for nothing twice when it is run again', () =>
  withInstallation(async ({ env, sql, openfigi }) => {
    const count = 3000 // which takes much longer than to see that some are known
    const input = cusips(count).join('\n')
    const first = start(['warm', '-'], { env: { ...env, OPENFIGI_RATE_LIMIT: '4/1s' } })
    first.child.stdin.end(input)
    await first.until('some are known', async () => (await known(sql)) > 300)
    const interruptedAt = performance.now()
    first.child.kill('SIGTERM')
    assert.is((await first.ended).code, 143)
    // What is under way has five seconds to end: on a busy machine a request may be sent near the end of them.
    const sentLate = openfigi.log.filter(({ at }) => at > interruptedAt + 3000).flatMap(({ jobs }) => jobs)
    const late = new Set(sentLate.map(({ idValue }) => String(idValue)))
    assert.is((await sql`select from figi_private.fetch_requests where claimed_by is not null`).length, 0)
    assert.ok((await known(sql)) < count)
    const second = await run(['warm', '-'], { env: { ...env, OPENFIGI_RATE_LIMIT: '1000/1s' }, input })
    assert.is(second.code, 0, second.stderr)
    assert.is(await known(sql), count)
    assert.equal(
      askedTwice(openfigi).filter((key) => !late.has(key.split(' ')[0] ?? '')),
      [],
    )
  }, unlimited))

test.run()
