import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
import type { Sql } from 'postgres'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OpenFIGIClient } from '../../src/client.ts'
import { withFolder } from '../import/reading.ts'
import { withDatabase } from '../support/database.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { recordingLogger } from '../support/recording_logger.ts'
import { jsonLines, run, start } from './pgfigi.ts'

const ftd = fileURLToPath(new URL('../../../shared/data/ftd/', import.meta.url))
const [apple, appleIsin, sony, lumen] = ['037833100', 'US0378331005', '835699307', '156700106']

/** The whole history, without what differs from one run to the next. */
const historyIn = (sql: Sql) => sql`
  select identifier_type, identifier_value, ticker, start_date, end_date, last_fetched_date, name, source
  from security_mappings
  order by identifier_type, identifier_value, start_date`

const rowsIn = async (sql: Sql): Promise<number> =>
  (await sql`select count(*)::int as rows from security_mappings`)[0]?.rows

/** The sessions of imports that run, or run on after these have been killed. */
const importsIn = (sql: Sql) => sql`
  select wait_event_type from pg_stat_activity where datname = current_database() and application_name = 'pgfigi import'`

/** Whether an import does all that it does at once, and all of that waits for a lock. */
const isWaiting = async (sql: Sql) => {
  const waits = (await importsIn(sql)).map((row) => row.wait_event_type)
  return waits.filter((type) => type === 'Lock').length === 2
}

/** Every column of every row, in a few digits. */
const wholeIn = async (sql: Sql) => {
  const [row] = await sql`
    select
      (select md5(string_agg(m::text, '' order by m.id)) from security_mappings m) as mappings,
      (select md5(string_agg(s::text, '' order by s::text)) from figi_private.sightings s) as sightings`
  return { ...row }
}

/** Two periods of each of so many CUSIPs, as lines of a table. */
function tableOf(cusips: number): string[] {
  const rows = Array.from({ length: 2 * cusips }, (_, n) => {
    const cusip = makeCusip(n % cusips)
    return n < cusips
      ? `${cusip},OLD${n % 7},2020-01-01,2021-01-01`
      : `${cusip},NEW${n % 7},2021-01-01,2022-01-01`
  })
  return ['cusip,ticker,start,end', ...rows]
}

const tickerOn = async (sql: Sql, cusip: string, day: string) => {
  const [row] = await sql`select ticker from resolve_mapping('CUSIP', ${cusip}, ${day}::timestamptz)`
  return row?.ticker
}

test('a cache: counts in words and as JSON, rejects with line and reason, and a second run changes nothing', () =>
  withDatabase(({ url, sql }) =>
    withFolder(async (folder) => {
      const env = { DATABASE_URL: url }
      const cache = join(folder, 'cache')
      const rejects = join(folder, 'rejects.csv')
      await writeFile(cache, JSON.stringify({ [apple]: 'AAPL', [appleIsin]: null, '=1+1': 'X' }))
      const args = ['import', cache, '--observed-at', '2021-03-09', '--rejects', rejects]
      const first = await run([...args, '--json'], { env })
      assert.equal([first.code, first.stdout], [0, '{"read":3,"imported":2,"unchanged":0,"rejected":1}\n'])
      assert.match(first.stderr, `What was rejected, and why, is in ${rejects}.`)
      const [head, row] = (await readFile(rejects, 'utf8')).split('\n')
      assert.is(head, 'file,line,reason,record')
      assert.match(row ?? '', /,3,"""=1\+1"" is neither a CUSIP nor an ISIN/)

      const before = await historyIn(sql)
      const second = await run(args, { env })
      assert.equal(
        [second.code, second.stdout],
        [0, 'Read 3 records: 0 imported, 2 unchanged, 1 rejected.\n'],
      )
      assert.equal(await historyIn(sql), before)
      assert.is(await tickerOn(sql, apple, '2021-03-10'), 'AAPL')
    }),
  ))

test('what cannot be read is exit 1 and costs no other file; wrong usage is 2', () =>
  withDatabase(({ url, sql }) =>
    withFolder(async (folder) => {
      const env = { DATABASE_URL: url }
      const inputs = join(folder, 'inputs')
      await mkdir(inputs)
      await writeFile(
        join(inputs, 'a'),
        gzipSync(`cusip,ticker\n${apple},AAPL\n`.repeat(5000)).subarray(0, 60),
      )
      await writeFile(join(inputs, 'b'), 'first,second\n1,2\n')
      await writeFile(join(inputs, 'c'), '{"nothing": "of ours"}')
      await writeFile(join(inputs, 'd'), JSON.stringify({ [apple]: 'AAPL' }))
      const missing = join(folder, 'missing')
      const mixed = await run(
        ['import', missing, inputs, '--json', '--rejects', join(folder, 'none', 'r.csv')],
        { env },
      )
      assert.is(mixed.code, 1)
      assert.equal(jsonLines(mixed.stdout), [{ read: 2, imported: 1, unchanged: 0, rejected: 1 }])
      assert.match(mixed.stderr, /error: .*missing cannot be read: there is no such file/)
      assert.match(mixed.stderr, /error: .*a is cut off/)
      assert.match(mixed.stderr, /error: .*b has no column for the identifier and the ticker/)
      assert.match(mixed.stderr, /error: .*c has nothing in it that could be understood/)
      assert.match(mixed.stderr, /cannot be written: .*The first reasons:\n {2}.*c, 1: "nothing" is neither/)
      assert.is(await rowsIn(sql), 1)

      const file = join(inputs, 'd')
      for (const wrong of [[], [file, '--type', 'SEDOL'], [file, '--observed-at', '03/09/2021']]) {
        assert.is((await run(['import', ...wrong], { env })).code, 2, wrong.join(' '))
      }
      assert.is((await run(['import', file, '--observed-at', '9021-03-09'], { env })).code, 2)
      assert.is((await run(['import', file, '--rejects', file], { env })).code, 2)
    }),
  ))

test('stdin, a table, and a type for all', () =>
  withDatabase(async ({ url, sql }) => {
    const input = `value;ticker;start;end\n${sony};SNE;2000-01-01;2021-04-01\n${sony};SONY;2021-04-01;\n${appleIsin};AAPL;;\n`
    const args = ['import', '-', '--type', 'cusip', '--json', '--rejects', '/dev/null']
    const { code, stdout } = await run(args, { env: { DATABASE_URL: url }, input })
    assert.equal([code, jsonLines(stdout)], [0, [{ read: 3, imported: 2, unchanged: 0, rejected: 1 }]])
    assert.equal(
      [await tickerOn(sql, sony, '2021-03-31'), await tickerOn(sql, sony, '2021-04-01')],
      ['SNE', 'SONY'],
    )
  }))

test('a dump is read back to the same tables, to the last column; a bad row takes no good one along', () =>
  withDatabase(({ url, sql }) =>
    withDatabase((other) =>
      withFolder(async (folder) => {
        const env = { DATABASE_URL: url }
        // Pairs that no even number of rows keeps together.
        const input = `cusip,ticker,start,end\n${apple},AAPL,2000-01-01,\n${tableOf(3_000).slice(1).join('\n')}\n`
        assert.is((await run(['import', '-'], { env, input })).code, 0)
        await sql`select upsert_mapping('CUSIP', ${sony}, 'SONY', '2021-04-06 12:34:56.789012Z')`
        const dump = join(folder, 'all.dump')
        assert.is((await run(['export', '--format', 'dump', '-o', dump], { env })).code, 0)
        const rows = 2 * 6_001 + 1
        const bad = { security_mappings: { identifier_type: 'CUSIP', identifier_value: 'X' } }
        await writeFile(dump, `${await readFile(dump, 'utf8')}${JSON.stringify(bad)}\n`)
        const args = ['import', dump, '--json', '--rejects', '/dev/null']
        for (const outcome of [
          { imported: rows, unchanged: 0 },
          { imported: 0, unchanged: rows },
        ]) {
          const { stdout } = await run(args, { env: { DATABASE_URL: other.url } })
          assert.equal(jsonLines(stdout), [{ read: rows + 1, ...outcome, rejected: 1 }])
          const [one, two] = await Promise.all([wholeIn(sql), wholeIn(other.sql)])
          assert.equal(two, one)
        }
      }),
    ),
  ))

test('migrateJsonCacheToPostgres returns the number imported, logs what is rejected, and throws plainly', () =>
  withDatabase(({ url }) =>
    withFolder(async (folder) => {
      const path = join(folder, 'cache.json')
      await writeFile(path, JSON.stringify({ as_of: '2021-03-09', mapping: { [apple]: 'AAPL', bad: 'X' } }))
      const logger = recordingLogger()
      await using client = new OpenFIGIClient({ dbUrl: url, logger })
      assert.is(await client.migrateJsonCacheToPostgres(path), 1)
      assert.is(await client.migrateJsonCacheToPostgres(path), 0)
      assert.is(logger.messages('warn').length, 2)
      assert.is(await client.getTickerFromCusip(apple, { asOf: new Date('2021-03-10') }), 'AAPL')
      try {
        await client.migrateJsonCacheToPostgres(join(folder, 'none'))
      } catch (error) {
        assert.match((error as Error).message, /none cannot be read: there is no such file/)
        return
      }
      assert.unreachable()
    }),
  ))

/** The beginning of a file of the SEC's, and whatever it says of some securities. */
async function partOf(name: string, cusips: readonly string[]): Promise<{ text: string; records: number }> {
  const lines = gunzipSync(await readFile(join(ftd, name)))
    .toString('latin1')
    .split('\n')
  const part = lines.filter((line, n) => n < 3000 || cusips.some((cusip) => line.includes(`,${cusip},`)))
  return { text: Buffer.from(part.join('\n')).toString(), records: part.length - 1 }
}

test('SNE becomes SONY by day, out of the files of the SEC in either order', async () => {
  if (!existsSync(ftd))
    return console.log('SKIPPED: the files of the SEC (they are not beside the repository)')
  await withFolder((folder) =>
    withDatabase(({ url, sql }) =>
      withDatabase(async (other) => {
        const names = [
          'cnsfails202008b.csv.gz',
          'cnsfails202010a.csv.gz',
          'cnsfails202103a.csv.gz',
          'cnsfails202104a.csv.gz',
        ]
        const parts = await Promise.all(names.map((name) => partOf(name, [sony, lumen])))
        const files = names.map((name) => join(folder, name))
        await Promise.all(
          parts.map(({ text }, n) => writeFile(files[n] ?? '', gzipSync(Buffer.from(text, 'latin1')))),
        )
        const imported = (paths: string[], database: string) =>
          run(['import', ...paths, '--json', '--rejects', '/dev/null'], { env: { DATABASE_URL: database } })
        const [whole, second] = await Promise.all([imported(files, url), imported(files.slice(2), other.url)])
        await imported(files.slice(0, 2).reverse(), other.url)
        assert.equal([whole.code, second.code], [0, 0])
        const [counts] = jsonLines(whole.stdout)
        assert.is(
          counts?.read,
          parts.reduce((sum, { records }) => sum + records, 0),
        )
        assert.is(
          Number(counts?.imported) + Number(counts?.unchanged) + Number(counts?.rejected),
          counts?.read,
        )
        assert.equal(await historyIn(other.sql), await historyIn(sql))
        assert.is(await tickerOn(sql, sony, '2021-03-09'), 'SNE')
        assert.is(await tickerOn(sql, sony, '2021-04-06'), 'SONY')
        assert.equal(
          [await tickerOn(sql, lumen, '2020-08-31'), await tickerOn(sql, lumen, '2020-10-02')],
          ['CTL', 'LUMN'],
        )
      }),
    ),
  )
})

test('killed in the middle and run again: the table is as after one clean run', () =>
  withFolder((folder) =>
    withDatabase(({ url, sql }) =>
      withDatabase(async (clean) => {
        const path = join(folder, 'table.csv')
        await writeFile(path, tableOf(10_000).join('\n'))
        const args = ['import', path, '--json']
        const { child, ended, until } = start(args, { env: { DATABASE_URL: url } })
        await sql.begin(async (transaction) => {
          await transaction`lock table figi_private.sightings in share mode`
          await until('it waits for locks', () => isWaiting(sql))
          child.kill('SIGKILL')
          await ended
        })
        // What the server was at goes on without it.
        while ((await importsIn(sql)).length > 0) await sleep(10)
        const left = await rowsIn(sql)
        assert.ok(left > 0 && left < 20_000, `${left} rows`)

        const [again] = await Promise.all([
          run(args, { env: { DATABASE_URL: url } }),
          run(args, { env: { DATABASE_URL: clean.url } }),
        ])
        const counts = { read: 20_000, imported: 20_000 - left, unchanged: left, rejected: 0 }
        assert.equal(jsonLines(again.stdout), [counts])
        assert.equal(await historyIn(sql), await historyIn(clean.sql))
        assert.is(await rowsIn(sql), 20_000)
      }),
    ),
  ))

test('Ctrl-C ends it once what is under way is written, with 130, and says that it can go on', () =>
  withFolder((folder) =>
    withDatabase(async ({ url, sql }) => {
      const path = join(folder, 'table.csv')
      await writeFile(path, tableOf(15_000).join('\n'))
      const { child, ended, until } = start(['import', path], { env: { DATABASE_URL: url } })
      await sql.begin(async (transaction) => {
        await transaction`lock table figi_private.sightings in share mode`
        await until('it waits for locks', () => isWaiting(sql))
        child.kill('SIGINT')
      })
      const { code, stdout, stderr } = await ended
      assert.equal([code, stdout], [130, ''])
      assert.match(stderr, /Stopped: [\d,]+ records so far are in the database; run the same again to go on/)
      const rows = await rowsIn(sql)
      // Two batches of six, or four, where those were written before the signal was seen.
      assert.ok(rows > 0 && rows < 30_000, `${rows} rows`)
    }),
  ))

test.run()
