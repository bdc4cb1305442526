import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { makeCusip } from '../support/identifiers_maker.ts'
import { observe } from '../support/mappings.ts'
import { jsonLines, run, start, withInstallation } from './pgfigi.ts'

const sony = '835699307'

test('changes prints what changed from the beginning of a day on, as text and as JSON', () =>
  withInstallation(async ({ env, sql }) => {
    await observe(sql, 'CUSIP', sony, 'SNE', '2020-01-01Z')
    await observe(sql, 'CUSIP', sony, 'SONY', '2021-04-01 18:00Z')
    await observe(sql, 'CUSIP', '037833100', 'AAPL', '2021-04-01Z')
    await sql`select from upsert_mapping('CUSIP', '037833100', null, '2021-05-01Z')`
    const [text, json, none] = await Promise.all([
      run(['changes', '--since', '2021-04-01'], { env: { ...env, TZ: 'America/Los_Angeles' } }),
      run(['changes', '--since', '2021-04-01T18:00:00Z', '--json'], { env }),
      run(['changes'], { env }),
    ])
    assert.is(text.code, 0)
    assert.is(
      text.stdout,
      [
        'changed\tidentifier\tkind\tfrom\tto\tsource\tname',
        '2021-04-01\t037833100\tfirst_seen\t\tAAPL\topenfigi\t',
        `2021-04-01 18:00:00Z\t${sony}\trenamed\tSNE\tSONY\topenfigi\t`,
        '2021-05-01\t037833100\tretired\tAAPL\t\topenfigi\t',
        '',
      ].join('\n'),
    )
    assert.is(text.stderr, '')
    const rows = jsonLines(json.stdout)
    const { columns } = await sql`select * from mapping_changes('infinity')`
    for (const row of rows)
      assert.equal(
        Object.keys(row),
        columns.map(({ name }) => name),
      )
    assert.equal(
      rows.map((row) => [row.changed_at, row.kind, row.from_ticker, row.to_ticker]),
      [
        ['2021-04-01T18:00:00.000Z', 'renamed', 'SNE', 'SONY'],
        ['2021-05-01T00:00:00.000Z', 'retired', 'AAPL', null],
      ],
    )
    assert.equal([none.code, none.stdout], [0, ''])
    assert.match(none.stderr, /^Nothing has changed since \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ\.\n$/)
  }))

test('--follow prints each change once, as it is committed, also one of the past, until Ctrl-C', () =>
  withInstallation(async ({ env, sql }) => {
    await observe(sql, 'CUSIP', makeCusip(9), 'BEFORE', '2020-01-01Z')
    await observe(sql, 'CUSIP', makeCusip(1), 'FIRST')
    const { child, ended, printed } = start(['changes', '--since', '5w', '--follow', '--json'], { env })
    await printed('FIRST')
    await observe(sql, 'CUSIP', makeCusip(2), 'SECOND')
    await printed('SECOND')
    await sql`select from upsert_mapping('CUSIP', ${makeCusip(3)}, 'PAST', now() - interval '4 weeks')`
    await printed('PAST')
    await observe(sql, 'CUSIP', makeCusip(8), 'LONG AGO', '2019-01-01Z')
    await printed('LONG AGO')
    await observe(sql, 'CUSIP', makeCusip(1), 'THIRD')
    await printed('THIRD')
    child.kill('SIGINT')
    const { code, stdout, stderr } = await ended
    assert.is(code, 130)
    assert.is(stderr, '')
    assert.equal(
      jsonLines(stdout).map((row) => [row.kind, row.from_ticker, row.to_ticker]),
      [
        ['first_seen', null, 'FIRST'],
        ['first_seen', null, 'SECOND'],
        ['first_seen', null, 'PAST'],
        ['first_seen', null, 'LONG AGO'],
        ['renamed', 'FIRST', 'THIRD'],
      ],
    )
  }))

test('any number of changes passes through little memory, and a reader may have seen enough', () =>
  withInstallation(async ({ env, sql }) => {
    await sql`
      insert into security_mappings (identifier_type, identifier_value, ticker, start_date, last_fetched_date, name)
      select 'CUSIP', c, 'T', now(), now(), repeat('x', 500)
      from unnest(${Array.from({ length: 60_000 }, (_, n) => makeCusip(n))}::text[]) c`
    const all = await run(['changes', '--since', '1h', '--json'], {
      env,
      nodeOptions: ['--max-old-space-size=48'],
    })
    assert.is(all.code, 0)
    assert.is(all.stdout.split('\n').length, 60_001)
    const { child, ended } = start(['changes', '--since', '1h'], { env })
    child.stdout.once('data', () => child.stdout.destroy())
    const { code, stderr } = await ended
    assert.equal([code, stderr], [0, ''])
  }))

test.run()
