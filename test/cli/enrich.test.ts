import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { parse } from 'csv-parse/sync'
import type { Sql } from 'postgres'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withFolder } from '../import/reading.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { observe } from '../support/mappings.ts'
import { knownSecurities as known, type Simulator } from '../support/openfigi_simulator.ts'
import { lastingToday } from '../support/today.ts'
import { type Installation, jsonLines, run, start, withInstallation } from './pgfigi.ts'

const [apple, appleIsin, sony, bad] = ['037833100', 'US0378331005', '835699307', '037833109']

interface Stage extends Installation {
  /** Writes a file; its path. */
  file(name: string, content: string): Promise<string>
}

function withFiles(work: (stage: Stage) => Promise<void>, options = {}): Promise<void> {
  return withInstallation(
    (installation) =>
      withFolder((folder) =>
        work({
          ...installation,
          async file(name, content) {
            await writeFile(join(folder, name), content)
            return join(folder, name)
          },
        }),
      ),
    options,
  )
}

const many = (count: number) => Array.from({ length: count }, (_, n) => makeCusip(n))

async function countOf(sql: Sql, table: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`select count(*)::int as count from ${sql.unsafe(table)}`
  return row?.count ?? 0
}

test('rows come out as they were, in order, with ticker, name, figi and status; what is unknown is fetched', () =>
  withFiles(async ({ env, openfigi, file }) => {
    openfigi.set(known.ibm.key, 'unknown')
    const lines = [
      'fund;CUSIP;note',
      `A;${apple};"a;b ""c"""`,
      '',
      `A;${known.microsoft.key};`,
      `B;${bad};="1"`,
      `B;${known.ibm.key};x`,
      `B;37833100;"two\r\nlines"`,
      'B;;cash',
      `B;${apple}`,
    ]
    const path = await file('holdings.csv', `\uFEFF${lines.join('\r\n')}\r\n`)
    const { code, stdout, stderr } = await run(['enrich', path], { env })
    assert.is(code, 0, stderr)
    const figi = /BBG\w+/.exec(stdout)?.[0] ?? ''
    const hit = `AAPL;APPLE INC;${figi};hit`
    const out = stdout.split('\r\n')
    assert.equal(out[0], `\uFEFF${lines[0]};ticker;name;figi;status`)
    assert.equal(out[1], `${lines[1]};${hit}`)
    assert.equal(out[2], '')
    assert.match(out[3] ?? '', /^A;594918104;;MSFT;MICROSOFT CORP;BBG\w+;hit$/)
    assert.equal(out.slice(4, 6), [`${lines[4]};;;;invalid`, `${lines[5]};;;;negative`])
    assert.equal(out.slice(6, 8).join('\r\n'), `${lines[6]};${hit}`)
    assert.equal(out.slice(8), [`${lines[7]};;;;invalid`, `${lines[8]};;${hit}`, ''])
    assert.match(
      stderr,
      /^Wrote 7 rows: 3 distinct identifiers, 3 fetched; 4 hits, 3 unresolved: 1 negative, 2 invalid, 0 not known yet\.\n$/,
    )
    assert.is(openfigi.filteredRequests().length, 1)
  }))

test('where a row has a CUSIP and an ISIN the first hit counts, and only what is open is fetched', () =>
  withFiles(async ({ env, sql, openfigi, file }) => {
    await observe(sql, 'ISIN', known.toyota.isin, 'TM')
    openfigi.set(sony, 'unknown')
    const rows = [
      ['isin', 'cusip'],
      [known.toyota.isin, bad],
      [known.microsoft.isin, sony],
      [appleIsin, ''],
      ['x', sony],
      [known.toyota.isin, apple],
    ]
    const path = await file('both.csv', rows.map((row) => row.join(',')).join('\n'))
    const { stdout } = await run(['enrich', path, '--column', 'isin', '--column', 'cusip'], { env })
    assert.equal(
      (parse(stdout, { columns: true }) as Record<string, string>[]).map(({ ticker, status }) => [
        ticker,
        status,
      ]),
      [
        ['TM', 'hit'],
        ['MSFT', 'hit'],
        ['AAPL', 'hit'],
        ['', 'negative'],
        ['TM', 'hit'],
      ],
    )
    assert.is(openfigi.requestsFor(known.toyota.isin).length, 0)
  }))

test('JSON lines keep every character, and what is there already keeps its name', () =>
  withFiles(async ({ env, file }) => {
    const path = await file(
      'h.jsonl',
      `{"isin": "${appleIsin}", "shares": 1.50, "n": 12345678901234567890 }\n{"isin":"nonsense","status":"open"}\n[]\n`,
    )
    const { code, stdout, stderr } = await run(['enrich', path, '--json'], { env })
    assert.is(code, 0, stderr)
    const [first, second, third] = stdout.split('\n')
    assert.match(
      first ?? '',
      /^\{"isin": "US0378331005", "shares": 1\.50, "n": 12345678901234567890 ,"ticker":"AAPL","name":"APPLE INC","figi":"BBG\w+","pgfigi_status":"hit"\}$/,
    )
    assert.is(
      second,
      '{"isin":"nonsense","status":"open","ticker":null,"name":null,"figi":null,"pgfigi_status":"invalid"}',
    )
    assert.is(third, '[]')
    assert.match(stderr, 'what is added is called pgfigi_status')
    const summary = jsonLines(stderr.slice(stderr.indexOf('{'), stderr.indexOf('}') + 1))[0]
    assert.equal(summary, {
      ...{
        rows: 3,
        identifiers: 1,
        hits: 1,
        stale: 0,
        fetched: 1,
        negative: 0,
        invalid: 2,
        missing: 0,
        unresolved: 2,
      },
      unreadable_dates: 0,
    })
  }))

test("--as-of-column takes the ticker of each row's own day; today is now, and a date nobody can read is invalid", () =>
  withFiles(async ({ env, sql, file }) => {
    await observe(sql, 'CUSIP', sony, 'SNE', '2020-01-01Z')
    await observe(sql, 'CUSIP', sony, 'SONY', '2021-04-01 18:00Z')
    const today = await lastingToday()
    const dates = ['2021-03-31', '2021-04-01', '2021-04-01T17:59:59Z', '01/02/2021', '', '2019-12-31', today]
    const content = [
      'cusip,day',
      ...dates.map((day) => `${sony},${day}`),
      `${apple},${today}`,
      `${apple},2020-01-01`,
    ]
    const path = await file('trades.csv', content.join('\n'))
    const { code, stdout, stderr } = await run(['enrich', path, '--as-of-column', 'day'], { env })
    assert.is(code, 0, stderr)
    assert.equal(
      (parse(stdout, { columns: true }) as Record<string, string>[]).map(
        (row) => `${row.ticker} ${row.status}`,
      ),
      ['SNE hit', 'SONY hit', 'SNE hit', ' invalid', ' invalid', ' miss', 'SONY stale', 'AAPL hit', ' miss'],
    )
    assert.match(stderr, /2 rows of the invalid without a date that can be read/)
    const asOf = await run(['enrich', '-', '--as-of', '2021-03-09'], { env, input: `${sony}\n` })
    assert.match(asOf.stdout, /^835699307,SNE,,,hit\n$/)
    assert.is((await run(['enrich', path, '--as-of', today, '--as-of-column', 'day'], { env })).code, 2)
  }))

test('--no-fetch takes what is known, and asks nobody for anything; --strict says so by its exit code', () =>
  withFiles(async ({ env, sql, openfigi, file }) => {
    await observe(sql, 'CUSIP', sony, 'SNE', '2020-01-01Z')
    const path = await file('h.csv', `cusip\n${sony}\n${apple}\n`)
    const { code, stdout, stderr } = await run(['enrich', path, '--no-fetch'], { env })
    assert.equal(
      [code, stdout],
      [0, `cusip,ticker,name,figi,status\n${sony},SNE,,,stale\n${apple},,,,miss\n`],
    )
    assert.match(stderr, '1 hit (1 stale), 1 unresolved: 0 negative, 0 invalid, 1 not known yet.')
    assert.is((await run(['enrich', path, '--no-fetch', '--strict'], { env })).code, 1)
    assert.equal([openfigi.log.length, await countOf(sql, 'figi_private.fetch_requests')], [0, 0])
    assert.is((await run(['enrich', path, '--strict'], { env })).code, 0)
  }))

test('a file is replaced when all of it is written, itself included; .gz is compressed; stdin is read by -', () =>
  withFiles(async ({ env, file }) => {
    const path = await file('h.csv', `cusip\n${apple}\n`)
    const packed = path.replace('.csv', '.csv.gz')
    const first = await run(['enrich', path, '--output', path, '--json'], { env })
    assert.is(jsonLines(first.stdout)[0]?.hits, 1)
    assert.match(
      await readFile(path, 'utf8'),
      /^cusip,ticker,name,figi,status\n037833100,AAPL,APPLE INC,BBG\w+,hit\n$/,
    )
    const again = await run(['enrich', '-', '-o', packed], { env, input: await readFile(path, 'utf8') })
    assert.match(again.stderr, 'called pgfigi_ticker, pgfigi_name, pgfigi_figi, pgfigi_status')
    assert.match(gunzipSync(await readFile(packed)).toString(), /,hit,AAPL,APPLE INC,BBG\w+,hit\n$/)
    assert.equal((await readdir(join(path, '..'))).sort(), ['h.csv', 'h.csv.gz'])
  }))

test('what OpenFIGI says is made safe for spreadsheets in a table, and stays as it is in JSON', () =>
  withFiles(async ({ env, sql, file }) => {
    await sql`select from upsert_mapping('CUSIP', ${apple}, '-A', now(), name => ${'=1+1,"é"'})`
    const table = await run(['enrich', await file('h.csv', `cusip\n${apple}\n`)], { env })
    assert.match(table.stdout, `${apple},'-A,"'=1+1,""é""",,hit\n`)
    const lines = await run(['enrich', await file('h.json', `{"cusip":"${apple}"}\n`)], { env })
    assert.equal(jsonLines(lines.stdout)[0], {
      ...{ cusip: apple, ticker: '-A', name: '=1+1,"é"', figi: null, status: 'hit' },
    })
  }))

test('wrong usage is said with the columns there are; a file that cannot be read fails', () =>
  withFiles(async ({ env, file }) => {
    const path = await file('h.csv', 'a,b\n1,2\n')
    const [absent, untold, none] = await Promise.all([
      run(['enrich', path, '--column', 'cusip'], { env }),
      run(['enrich', path], { env }),
      run(['enrich', `${path}.none`], { env }),
    ])
    assert.is(absent.code, 2)
    assert.match(absent.stderr, 'has no column "cusip". Its columns are "a", "b".')
    assert.is(untold.code, 2)
    assert.match(untold.stderr, 'name one with --column')
    assert.is(none.code, 1)
    assert.match(none.stderr, 'there is no such file')
  }))

test('where OpenFIGI cannot be asked the rows are misses, and it exits with 1', () =>
  withFiles(
    async ({ env, file }) => {
      const path = await file('h.csv', `cusip\n${apple}\n${bad}\n`)
      const { code, stdout, stderr } = await run(['enrich', path], { env })
      assert.equal(
        [code, stdout],
        [1, `cusip,ticker,name,figi,status\n${apple},,,,miss\n${bad},,,,invalid\n`],
      )
      assert.match(
        stderr,
        /1 row could not be looked up; run the same again later\. The first reason: .*API key/,
      )
    },
    { apiKeys: ['another'] },
  ))

/** Identifiers that were asked for more than once in the preferred market. */
function askedTwice(openfigi: Simulator): string[] {
  const times = new Map<string, number>()
  for (const { jobs } of openfigi.filteredRequests())
    for (const { idValue } of jobs) times.set(String(idValue), (times.get(String(idValue)) ?? 0) + 1)
  return [...times].filter(([, count]) => count > 1).map(([value]) => value)
}

test('killed and run again it fetches only what was missing, and writes the whole; requests are full', () =>
  withFiles(
    async ({ env, sql, openfigi, file }) => {
      const cusips = many(1500)
      const path = await file('h.csv', `n,cusip\n${cusips.map((cusip, n) => `${n},${cusip}\n`).join('')}`)
      const output = path.replace('.csv', '.out.csv')
      // It answers six requests, and no more: however late it is killed, it is in the middle.
      openfigi.fail({ kind: 'hang', times: Number.POSITIVE_INFINITY, match: () => openfigi.log.length > 6 })
      const first = start(['enrich', path, '-o', output], { env: { ...env, OPENFIGI_RATE_LIMIT: '2/300ms' } })
      await first.until('some are known', async () => (await countOf(sql, 'public.security_mappings')) >= 300)
      first.child.kill('SIGKILL')
      await first.ended
      openfigi.clearFaults()
      const claimed = await sql<{ value: string }[]>`
        update figi_private.fetch_requests set claimed_until = now()
        where claimed_by is not null
        returning identifier_value as value` // as if the leases had run out
      const done = await countOf(sql, 'public.security_mappings')
      assert.ok(done < 1500, `${done}`)
      assert.not.ok((await readdir(join(path, '..'))).includes('h.out.csv'))

      const { code, stderr } = await run(['enrich', path, '-o', output], {
        env: { ...env, OPENFIGI_RATE_LIMIT: '100/1s' },
      })
      assert.is(code, 0, stderr)
      const rows = parse(await readFile(output, 'utf8'), { columns: true }) as Record<string, string>[]
      assert.equal(
        rows.map(({ n, cusip }) => [Number(n), cusip]),
        cusips.map((cusip, n) => [n, cusip]),
      )
      assert.is(rows.filter(({ status }) => status !== 'hit' && status !== 'negative').length, 0)
      const twice = askedTwice(openfigi)
      const inFlight = new Set(claimed.map(({ value }) => value))
      assert.equal(
        twice.filter((value) => !inFlight.has(value)),
        [],
      )
      const full = openfigi.filteredRequests().filter(({ jobs }) => jobs.length === 100)
      assert.ok(full.length >= 15, `${full.length} full requests`)
    },
    { limit: { requests: 1000, windowMs: 1000 } },
  ))

test('Ctrl-C exits with 130, leaves no file, and gives back what was claimed', () =>
  withFiles(
    async ({ env, sql, openfigi, file }) => {
      const path = await file('h.csv', `cusip\n${many(1000).join('\n')}\n`)
      const running = start(['enrich', path, '-o', `${path}.out`], {
        env: { ...env, OPENFIGI_RATE_LIMIT: '2/60s' },
      })
      await running.until('it asks', () => openfigi.log.length > 0)
      running.child.kill('SIGINT')
      const { code, stderr } = await running.ended
      assert.is(code, 130)
      assert.not.match(stderr, /error/i)
      assert.equal(await readdir(join(path, '..')), ['h.csv'])
      const claimed = await sql`select from figi_private.fetch_requests where claimed_until > now()`
      assert.is(claimed.length, 0)
    },
    { latencyMs: 300 },
  ))

test('any number of rows passes through little memory', () =>
  withFiles(async ({ env, sql, file }) => {
    const cusips = many(20_000)
    await sql`
      select from upsert_mappings(
        array_fill('CUSIP'::text, array[20000]), ${cusips}::text[], ${cusips.map((_, n) => `T${n}`)}::text[]
      )`
    const rows = Array.from({ length: 100_000 }, (_, n) => `FUND,"A, B",${cusips[(n * 7) % 20_000]},1.00`)
    const path = await file('h.csv', `fund,name,cusip,value\n${rows.join('\n')}\n`)
    const output = `${path}.out`
    const { code, stderr } = await run(['enrich', path, '--no-fetch', '--strict', '-o', output], {
      env,
      nodeOptions: ['--max-old-space-size=64'],
    })
    assert.is(code, 0, stderr)
    assert.match(stderr, 'Wrote 100,000 rows')
    assert.match(stderr, '20,000 distinct identifiers')
    const lines = (await readFile(output, 'utf8')).split('\n')
    assert.is(lines.length, 100_002)
    assert.is(lines[100_000], `${rows[99_999]},T${(99_999 * 7) % 20_000},,,hit`)
  }))

test.run()
