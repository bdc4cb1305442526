import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { makeCusip } from '../support/identifiers_maker.ts'
import { knownSecurities as known } from '../support/openfigi_simulator.ts'
import { lastingToday } from '../support/today.ts'
import { jsonLines, run, start, withInstallation } from './pgfigi.ts'

const many = (count: number) => Array.from({ length: count }, (_, n) => makeCusip(n))

test('types are told from the values; as text it prints a head and a line each, separated by tabs', () =>
  withInstallation(async ({ env, openfigi }) => {
    const ambiguous = known.ambiguous.key
    const today = await lastingToday()
    const { code, stdout, stderr } = await run(
      ['resolve', '037833100', known.microsoft.isin, ambiguous, '037833109'],
      { env },
    )
    assert.is(code, 0)
    const lines = stdout.split('\n')
    assert.is(lines[0], 'identifier\tticker\tstatus\tname\texchange\tsince')
    assert.is(lines[1], `037833100\tAAPL\thit\tAPPLE INC\tUS\t${today}`)
    assert.is(lines[2], `${known.microsoft.isin}\tMSFT\thit\tMICROSOFT CORP\tUS\t${today}`)
    assert.match(lines[3] ?? '', new RegExp(`^${ambiguous}\tDUO/[AB]\thit\t`))
    assert.is(lines[4], '037833109\t\tinvalid\t\t\t')
    assert.is(stderr, '')
    assert.is(openfigi.log.length, 1)
  }))

test('--json prints one object a line in the order of the input, with the columns of resolve_mapping', () =>
  withInstallation(async ({ env, sql, openfigi }) => {
    openfigi.set(known.ibm.key, 'unknown')
    const input = `\uFEFF# holdings\r\n037833100\r\n\r\n  us-0378331005\n#x\nnonsense\n${known.ibm.key}`
    const { code, stdout } = await run(['resolve', '--json'], { env, input })
    assert.is(code, 0)
    const rows = jsonLines(stdout)
    assert.equal(
      rows.map((row) => [row.input, row.identifier_type, row.identifier_value, row.ticker, row.status]),
      [
        ['037833100', 'CUSIP', '037833100', 'AAPL', 'hit'],
        ['  us-0378331005', 'ISIN', 'US0378331005', 'AAPL', 'hit'],
        ['nonsense', null, 'nonsense', null, 'invalid'],
        [known.ibm.key, 'CUSIP', known.ibm.key, null, 'negative'],
      ],
    )
    const columns = (await sql`select * from resolve_mapping('CUSIP', '037833100')`).columns.map(
      ({ name }) => name,
    )
    for (const row of rows) assert.equal(Object.keys(row), ['input', ...columns])
  }))

test('identifiers come from a file, from stdin by -, and all as one type with --type', () =>
  withInstallation(async ({ env }) => {
    const file = join(tmpdir(), 'identifiers.txt')
    await writeFile(file, '037833100\n')
    const [fromFile, fromStdin, typed] = await Promise.all([
      run(['resolve', '--file', file], { env }),
      run(['resolve', '-'], { env, input: '037833100' }),
      run(['resolve', '--type', 'isin', '--json', '037833100'], { env }),
    ])
    assert.match(fromFile.stdout, '037833100\tAAPL\t')
    assert.match(fromStdin.stdout, '037833100\tAAPL\t')
    assert.is(jsonLines(typed.stdout)[0]?.status, 'invalid')
  }))

test('a missing check digit is computed only when asked for', () =>
  withInstallation(async ({ env }) => {
    const args = ['resolve', '--json', known.spy.key.slice(0, 8)]
    const [plain, completed] = await Promise.all([
      run(args, { env }),
      run([...args, '--complete-cusips'], { env }),
    ])
    assert.is(jsonLines(plain.stdout)[0]?.status, 'invalid')
    const [row] = jsonLines(completed.stdout)
    assert.equal(
      [row?.input, row?.identifier_value, row?.ticker],
      [known.spy.key.slice(0, 8), known.spy.key, 'SPY'],
    )
  }))

test('--no-wait asks OpenFIGI nothing; once fetched it is a hit; --max-age makes it stale', () =>
  withInstallation(async ({ env, openfigi }) => {
    const missed = await run(['resolve', '--no-wait', '037833100'], { env })
    assert.is(missed.code, 0)
    assert.match(missed.stdout, '037833100\t\tmiss\t')
    assert.match(missed.stderr, '1 identifier unknown or stale so far, and requested')
    assert.is(openfigi.log.length, 0)
    await run(['resolve', '037833100'], { env })
    assert.match((await run(['resolve', '--no-wait', '037833100'], { env })).stdout, '037833100\tAAPL\thit\t')
    const stale = await run(['resolve', '--no-wait', '--max-age', '0', '037833100'], { env })
    assert.match(stale.stdout, '037833100\tAAPL\tstale\t')
    assert.is(openfigi.log.length, 1)
  }))

test('where OpenFIGI does not accept the key, rows say so, the exit code is 1, and nobody sees the key', () =>
  withInstallation(
    async ({ env }) => {
      const { code, stdout, stderr } = await run(['resolve', '--json', '037833100', 'nonsense'], {
        env: { ...env, LOG_LEVEL: 'trace' },
      })
      assert.is(code, 1)
      const [missed, invalid] = jsonLines(stdout)
      assert.match(String(missed?.error), 'OpenFIGI does not accept the API key')
      assert.not.ok('error' in (invalid ?? {}))
      assert.match(stderr, '1 identifier of 2 could not be looked up')
      const password = new URL(env.DATABASE_URL ?? '').password
      for (const secret of [env.OPENFIGI_API_KEY, password]) {
        assert.ok(secret)
        assert.not.match(stdout + stderr, String(secret))
      }
    },
    { apiKeys: ['another'] },
  ))

test('a database that is away is no reason to fail: OpenFIGI answers', () =>
  withInstallation(async ({ env }) => {
    const { code, stdout } = await run(['resolve', '037833100'], {
      env: { ...env, DATABASE_URL: 'postgres://user:hunter2secret@127.0.0.1:1/none' },
    })
    assert.is(code, 0)
    assert.match(stdout, '037833100\tAAPL\thit\t')
  }))

test('a reader that has seen enough (| head) ends it quietly', () =>
  withInstallation(async ({ env }) => {
    const { child, ended } = start(['resolve'], { env })
    child.stdin.end('nonsense\n'.repeat(50_000))
    child.stdout.once('data', () => child.stdout.destroy())
    const { code, stderr } = await ended
    assert.is(code, 0)
    assert.is(stderr, '')
  }))

test('any number of identifiers passes through little memory', () =>
  withInstallation(async ({ env }) => {
    const count = 200_000
    const { code, stdout } = await run(['resolve'], {
      env,
      input: 'nonsense\n'.repeat(count),
      nodeOptions: ['--max-old-space-size=48'],
    })
    assert.is(code, 0)
    assert.is(stdout.split('\n').length, count + 2)
  }))

test('Ctrl-C gives back what was claimed, and exits with 130', () =>
  withInstallation(
    async ({ env, sql, openfigi }) => {
      const { child, ended } = start(['resolve'], { env: { ...env, OPENFIGI_RATE_LIMIT: '2/60s' } })
      child.stdin.end(many(1000).join('\n'))
      while (openfigi.log.length === 0) await sleep(20)
      child.kill('SIGINT')
      const { code, stderr } = await ended
      assert.is(code, 130)
      assert.not.match(stderr, /error/i)
      const [row] = await sql`
        select count(*)::int as requests, count(claimed_until)::int as claimed from figi_private.fetch_requests`
      assert.ok(row?.requests > 0)
      assert.is(row?.claimed, 0)
    },
    { latencyMs: 300 },
  ))

test.run()
