import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { observe } from '../support/mappings.ts'
import { jsonLines, run, withInstallation } from './pgfigi.ts'

const sony = '835699307'

test('resolve --as-of answers for a day, whole and in UTC, and for an instant', () =>
  withInstallation(async ({ env, sql, openfigi }) => {
    await observe(sql, 'CUSIP', sony, 'SNE', '2020-01-01Z')
    await observe(sql, 'CUSIP', sony, 'SONY', '2021-04-01 18:00Z')
    const asked = [
      ['2021-03-31', 'SNE\thit'],
      ['2021-04-01', 'SONY\thit'],
      ['2021-04-01T17:59:59.999Z', 'SNE\thit'],
      ['2021-04-01 20:00+0200', 'SONY\thit'],
    ] as const
    const ends = await Promise.all(
      asked.map(([when]) =>
        run(['resolve', '--as-of', when, sony], { env: { ...env, TZ: 'Pacific/Auckland' } }),
      ),
    )
    for (const [place, { code, stdout, stderr }] of ends.entries()) {
      assert.is(code, 0)
      assert.match(stdout, `${sony}\t${asked[place]?.[1]}\t`, asked[place]?.[0])
      assert.is(stderr, '')
    }
    const json = await run(['resolve', '--json', '--as-of', '2021-03-31', sony, 'nonsense'], { env })
    assert.equal(
      jsonLines(json.stdout).map((row) => [row.ticker, row.status, row.end_date]),
      [
        ['SNE', 'hit', '2021-04-01T18:00:00.000Z'],
        [null, 'invalid', null],
      ],
    )
    assert.is(openfigi.log.length, 0)
  }))

test('history prints every period, as text and as JSON with the columns of mapping_history', () =>
  withInstallation(async ({ env, sql }) => {
    await observe(sql, 'CUSIP', sony, 'SNE', '2020-01-01Z')
    await observe(sql, 'CUSIP', sony, null, '2021-03-09 12:30:15.5Z')
    await observe(sql, 'CUSIP', sony, 'SONY', '2021-04-06Z')
    await sql`select from upsert_mapping('ISIN', 'US0378331005', 'AAPL', '2022-01-01Z', name => 'APPLE INC')`
    const text = await run(['history', ` ${sony.toLowerCase()}`, 'US0378331005'], { env })
    assert.is(text.code, 0)
    assert.is(
      text.stdout,
      [
        'identifier\tticker\tfrom\tto\tlast seen\tsource\tname',
        `${sony}\tSNE\t2020-01-01\t2021-03-09 12:30:15Z\t2020-01-01\topenfigi\t`,
        `${sony}\t\t2021-03-09 12:30:15Z\t2021-04-06\t2021-03-09 12:30:15Z\topenfigi\t`,
        `${sony}\tSONY\t2021-04-06\t\t2021-04-06\topenfigi\t`,
        'US0378331005\tAAPL\t2022-01-01\t\t2022-01-01\topenfigi\tAPPLE INC',
        '',
      ].join('\n'),
    )
    const json = await run(['history', '--json', '--type', 'cusip', sony], { env })
    const rows = jsonLines(json.stdout)
    const { columns } = await sql`select * from mapping_history('CUSIP', ${sony})`
    assert.equal(
      rows.map((row) => Object.keys(row)),
      rows.map(() => columns.map(({ name }) => name)),
    )
    assert.equal(
      rows.map((row) => [row.ticker, row.start_date, row.end_date, row.has_no_results]),
      [
        ['SNE', '2020-01-01T00:00:00.000Z', '2021-03-09T12:30:15.500Z', false],
        [null, '2021-03-09T12:30:15.500Z', '2021-04-06T00:00:00.000Z', true],
        ['SONY', '2021-04-06T00:00:00.000Z', null, false],
      ],
    )
  }))

test('history of what is not known is a sentence and exit code 0, of what is no identifier exit code 1', () =>
  withInstallation(async ({ env, sql }) => {
    await observe(sql, 'CUSIP', sony, 'SNE', '2020-01-01Z')
    const none = await run(['history', '037833100'], { env })
    assert.equal([none.code, none.stdout], [0, ''])
    assert.is(none.stderr, 'Nothing is known of CUSIP 037833100.\n')
    const invalid = await run(['history', '--json', '037833109', sony], { env })
    assert.is(invalid.code, 1)
    assert.is(invalid.stderr, '037833109 is no CUSIP and no ISIN: malformed, or a wrong check digit.\n')
    assert.equal(
      jsonLines(invalid.stdout).map((row) => row.ticker),
      ['SNE'],
    )
    const typed = await run(['history', '--type', 'ISIN', sony], { env })
    assert.equal([typed.code, typed.stdout], [1, ''])
    assert.match(typed.stderr, `${sony} is no ISIN`)
  }))

test.run()
