import { mkdtemp, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { parse } from 'csv-parse/sync'
import type { ISql, Sql } from 'postgres'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { makeCusip } from '../support/identifiers_maker.ts'
import { grantScript } from '../support/login_role.ts'
import { observe } from '../support/mappings.ts'
import { jsonLines, type Running, run, start, withInstallation } from './pgfigi.ts'

const sony = '835699307'
const columns =
  'identifier_type,identifier_value,ticker,has_no_results,start_date,end_date,last_fetched_date,figi,composite_figi,share_class_figi,name,exch_code,security_type,security_type2,market_sector,source,alternatives'

/** SNE, then SONY; a negative; a name to break every format; a PPN that looks like a formula. */
async function fill(sql: Sql): Promise<void> {
  await observe(sql, 'CUSIP', sony, 'SNE', '2020-01-01Z')
  await observe(sql, 'CUSIP', sony, 'SONY', '2021-04-01 18:00:00.000001Z')
  await observe(sql, 'CUSIP', '037833100', null, '2022-01-01Z')
  await sql`
    select from upsert_mapping(
      'ISIN', 'US0378331005', '-A', '2022-01-02Z', name => ${'=1+1,"é"\n\t\\.'},
      alternatives => '[{"ticker": "B", "x": "\\u00e9\\n"}]'::jsonb
    )`
}

/** Many rows, fast: past the triggers. */
async function fillMany(sql: Sql, count: number): Promise<void> {
  await sql.begin(async (sql) => {
    await sql`set local session_replication_role to replica`
    await sql`
      insert into security_mappings (identifier_type, identifier_value, ticker, start_date, last_fetched_date, name)
      select 'CUSIP', c, 'T', '2020-01-01Z', '2020-01-01Z', repeat('x', 500)
      from unnest(${Array.from({ length: count }, (_, n) => makeCusip(n))}::text[]) c`
  })
}

/** The backend of an export that waits for that. */
async function exporting(sql: ISql, { child }: Running, event: string): Promise<number> {
  for (;;) {
    const [row] = await sql<{ pid: number }[]>`
      select pid from pg_stat_activity
      where query like 'copy (%' and wait_event = ${event} and datname = current_database()`
    if (row) return row.pid
    if (child.exitCode !== null || child.signalCode !== null) throw new Error('it has ended')
    await sleep(20)
  }
}

test('CSV has what holds now in the order of the keys, instants in UTC, and no cell that a spreadsheet would run', () =>
  withInstallation(async ({ env, sql }) => {
    await fill(sql)
    const { code, stdout, stderr } = await run(['export'], { env: { ...env, TZ: 'Asia/Tokyo' } })
    assert.is(code, 0)
    assert.is(stderr, '')
    assert.is(stdout.slice(0, stdout.indexOf('\n')), columns)
    const rows = parse(stdout, { columns: true }) as Record<string, string>[]
    assert.equal(
      rows.map((row) => [row.identifier_value, row.ticker, row.has_no_results, row.start_date, row.end_date]),
      [
        ['037833100', '', 'true', '2022-01-01T00:00:00Z', ''],
        [sony, 'SONY', 'false', '2021-04-01T18:00:00.000001Z', ''],
        ['US0378331005', `'-A`, 'false', '2022-01-02T00:00:00Z', ''],
      ],
    )
    assert.is(rows[2]?.name, `'=1+1,"é"\n\t\\.`)
    assert.equal(JSON.parse(rows[2]?.alternatives ?? ''), [{ ticker: 'B', x: 'é\n' }])
  }))

test('as of a day, as of an instant and the whole history, as JSON lines with everything as it is', () =>
  withInstallation(async ({ env, sql }) => {
    await fill(sql)
    const ask = async (...args: string[]) => {
      const { code, stdout, stderr } = await run(['export', '--format', 'jsonl', ...args], { env })
      assert.equal([code, stderr], [0, ''])
      return jsonLines(stdout)
    }
    const [day, before, history] = await Promise.all([
      ask('--as-of', '2021-04-01'),
      ask('--as-of', '2021-04-01T18:00:00Z'),
      ask('--history'),
    ])
    assert.equal(
      day.map((row) => row.ticker),
      ['SONY'],
    )
    assert.equal(
      before.map((row) => [row.ticker, row.end_date]),
      [['SNE', '2021-04-01T18:00:00.000001Z']],
    )
    assert.equal(
      history.map((row) => row.ticker),
      [null, 'SNE', 'SONY', '-A'],
    )
    for (const row of history) assert.is(Object.keys(row).join(','), columns)
    assert.equal(
      [history[3]?.name, history[3]?.has_no_results, history[0]?.has_no_results],
      ['=1+1,"é"\n\t\\.', false, true],
    )
    assert.equal(history[3]?.alternatives, [{ ticker: 'B', x: 'é\n' }])
  }))

test('a dump is every row of both tables, whole, and its lines are plain JSON', () =>
  withInstallation(async ({ env, sql }) => {
    await fill(sql)
    await sql`
      insert into figi_private.sightings (identifier_type, identifier_value, ticker, source, seen, held, details, details_at)
      values ('CUSIP', ${sony}, 'SNE', 'sec_ftd', '{[2019-01-01Z,2019-01-03Z)}', '{}', '{"name": "a \\"b\\""}', '2019-01-02Z')`
    const { code, stdout } = await run(['export', '--format', 'dump'], { env })
    assert.is(code, 0)
    const [head, ...rows] = jsonLines(stdout)
    assert.is(head?.pgfigi_dump, 1)
    assert.match(String(head?.exported_at), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    assert.equal(
      rows.map((row) => Object.keys(row)),
      [...Array(4).fill(['security_mappings']), ['sightings']],
    )
    const [same] = await sql`
      select
        (select jsonb_agg(to_jsonb(m)) from (
          select (jsonb_populate_record(null::security_mappings, r -> 'security_mappings')).*
          from jsonb_array_elements(${JSON.stringify(rows)}::text::jsonb) r
          where r ? 'security_mappings'
        ) m) = (
          select jsonb_agg(to_jsonb(m) order by identifier_type, identifier_value, start_date) from security_mappings m
        ) as mappings,
        (select jsonb_agg(to_jsonb(jsonb_populate_record(null::figi_private.sightings, r -> 'sightings')))
          from jsonb_array_elements(${JSON.stringify(rows)}::text::jsonb) r
          where r ? 'sightings'
        ) = (select jsonb_agg(to_jsonb(s)) from figi_private.sightings s) as sightings`
    assert.equal({ ...same }, { mappings: true, sightings: true })
  }))

test('a file appears when it is complete, compressed by its name, in the place of an older one and through links', () =>
  withInstallation(async ({ env, sql }) => {
    await fill(sql)
    const folder = await mkdtemp(join(tmpdir(), 'export-'))
    const [plain, real, link, packed] = ['a.csv', 'real.csv', 'link.csv', 'a.jsonl.GZ'].map((name) =>
      join(folder, name),
    ) as [string, string, string, string]
    await writeFile(real, 'old', { mode: 0o600 })
    await symlink(real, link)
    const [one, two, three, stdout] = await Promise.all([
      run(['export', '--output', plain], { env }),
      run(['export', '-o', link], { env }),
      run(['export', '--history', '--format', 'jsonl', '--output', packed], { env }),
      run(['export', '-o', '-'], { env }),
    ])
    assert.equal([one.code, one.stdout, one.stderr], [0, '', `Wrote 3 rows to ${plain}.\n`])
    assert.is(three.stderr, `Wrote 4 rows to ${packed}.\n`)
    assert.is(await readFile(plain, 'utf8'), stdout.stdout)
    assert.is(two.code, 0)
    assert.is(await readFile(real, 'utf8'), stdout.stdout)
    assert.is((await stat(real)).mode & 0o777, 0o600)
    assert.is(jsonLines(gunzipSync(await readFile(packed)).toString()).length, 4)
    assert.equal((await readdir(folder)).sort(), ['a.csv', 'a.jsonl.GZ', 'link.csv', 'real.csv'])
  }))

test('a failure leaves the older file and nothing else: of the disk, of the database, by Ctrl-C', () =>
  withInstallation(async ({ env, sql }) => {
    await fillMany(sql, 60_000)
    const folder = await mkdtemp(join(tmpdir(), 'export-'))
    const output = join(folder, 'all.csv')
    await writeFile(output, 'old')
    if (process.platform === 'linux') {
      const full = await run(['export', '--output', '/dev/full'], { env })
      assert.equal([full.code, full.stdout], [1, ''])
      assert.match(full.stderr, 'error: /dev/full cannot be written: the disk is full.')
    }

    const away = await run(['export', '--output', output], {
      env: { ...env, DATABASE_URL: 'postgres://user:word@127.0.0.1:1/none' },
    })
    assert.is(away.code, 1)
    assert.match(away.stderr, 'error: The database cannot be reached')

    // Ended in the middle of the copy, and while it waits for a lock.
    for (const end of ['pg_terminate_backend', 'pg_cancel_backend'] as const) {
      const copying = start(['export', '--format', 'jsonl'], { env })
      copying.child.stdout.pause()
      await sql`select ${sql(end)}(${await exporting(sql, copying, 'ClientWrite')})`
      copying.child.stdout.resume()
      const { code, stderr } = await copying.ended
      assert.is(code, 1)
      // The server says why it ends a session where nothing is in the way of it.
      assert.match(stderr, /^error: .*(CONNECTION_CLOSED|administrator command|user request)/)
    }
    // Of a run that was killed: no process has this number.
    await writeFile(`${output}.pgfigi-4194305-01234567.part`, 'half')
    await sql.begin(async (locker) => {
      await locker`lock table security_mappings in access exclusive mode`
      const waiting = start(['export', '--output', output], { env })
      await exporting(sql, waiting, 'relation')
      const [first, part = '', ...others] = await readdir(folder)
      assert.equal([first, others], ['all.csv', []])
      assert.match(part, new RegExp(`^all\\.csv\\.pgfigi-${waiting.child.pid}-[0-9a-f]{8}\\.part$`))
      waiting.child.kill('SIGINT')
      const { code, stderr } = await waiting.ended
      assert.equal([code, stderr], [130, ''])
    })
    assert.is(await readFile(output, 'utf8'), 'old')
    assert.equal(await readdir(folder), ['all.csv'])
  }))

test('any number of rows passes through little memory from one snapshot, and a reader may have seen enough', () =>
  withInstallation(async ({ env, sql }) => {
    await fillMany(sql, 60_000)
    const slow = start(['export'], { env, nodeOptions: ['--max-old-space-size=64'] })
    slow.child.stdout.pause()
    await exporting(sql, slow, 'ClientWrite')
    await sql`delete from security_mappings`
    slow.child.stdout.resume()
    const { code, stdout } = await slow.ended
    assert.is(code, 0)
    assert.is(stdout.split('\n').length, 60_002)

    await fillMany(sql, 20_000)
    const head = start(['export', '--format', 'dump'], { env })
    head.child.stdout.once('data', () => head.child.stdout.destroy())
    const end = await head.ended
    assert.equal([end.code, end.stderr], [0, ''])
  }))

test('an analyst exports CSV and JSON lines, and is told that a dump takes more', async () => {
  const role = `pgfigi_test_exporter_${process.pid}`
  await withInstallation(async ({ env, sql, url }) => {
    await fill(sql)
    await sql.unsafe(grantScript)
    await sql.unsafe(`create role ${role} login password 'word' in role pgfigi_analyst`)
    try {
      const own = new URL(url)
      own.username = role
      own.password = 'word'
      const as = { env: { ...env, DATABASE_URL: own.href } }
      const [csv, jsonl, dump] = await Promise.all([
        run(['export', '--as-of', '2021-01-01'], as),
        run(['export', '--history', '--format', 'jsonl'], as),
        run(['export', '--format', 'dump'], as),
      ])
      assert.match(csv.stdout, `CUSIP,${sony},SNE,`)
      assert.is(jsonLines(jsonl.stdout).length, 4)
      assert.is(dump.code, 1)
      assert.match(dump.stderr, 'The role in DATABASE_URL lacks a right')
    } finally {
      await sql.unsafe(`drop owned by ${role}; drop role ${role}`)
    }
  })
})

test.run()
