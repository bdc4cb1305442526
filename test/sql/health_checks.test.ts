import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ISql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { packageRoot } from '../support/cluster.ts'
import { withDatabase, withRollback } from '../support/database.ts'
import { checksIn, checksNow, healthCauses, seeProcess } from '../support/health_causes.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { latestMigration } from '../support/latest_migration.ts'
import { observe, openSession, resolve } from '../support/mappings.ts'

const test = suite('health_checks')

const names = [
  'laws',
  'migrations',
  'worker_seen',
  'oldest_request',
  'gave_up',
  'last_answer',
  'budget_blocked',
  'key_refused',
  'rate_limited',
  'stale_share',
  'negative_share',
  'dead_jobs',
  'failed_jobs',
  'replica_lag',
  'bloat',
  'connections',
  'settings',
]

/** The names of the checks that are not well, with their status. */
const unwell = (checks: Awaited<ReturnType<typeof checksNow>>) =>
  Object.values(checks)
    .filter(({ status }) => status !== 'ok')
    .map(({ name, status }) => `${name} ${status}`)

test('every check is well in a database with a worker, fails by its own cause, and is well again without it', () =>
  withDatabase(async ({ sql, url }) => {
    await seeProcess(sql, { process: 'w', kind: 'worker', latest_migration: latestMigration })
    const checks = await checksNow(url, { latestMigration })
    assert.equal(Object.keys(checks), names)
    assert.equal(unwell(await checksNow(url)), [])
    const causes = healthCauses({ sql, url })
    const caused = causes.map(({ check }) => check)
    assert.equal(caused.toSorted(), names.filter((name) => name !== 'replica_lag').toSorted())
    for (const { cause } of causes) await cause()
    const failing = await checksNow(url)
    for (const { check, status, says } of causes) {
      assert.is(failing[check]?.status, status, failing[check]?.sentence)
      assert.match(failing[check]?.sentence ?? '', says)
    }
    const left = names.flatMap((name) => causes.find(({ check }) => check === name) ?? [])
    while (left.length > 0) {
      const { check, mend } = left.pop() as (typeof left)[number]
      await mend()
      assert.equal(
        unwell(await checksNow(url)),
        left.map((one) => `${one.check} ${one.status}`),
        `${check} is mended`,
      )
    }
  }))

/** The sentence of the laws while that is so; then it is taken back. */
async function lawsWhile(sql: ISql, broken: string, mended: string, whole = false): Promise<string> {
  await sql.unsafe(broken)
  const { laws } = await checksIn(sql, { whole })
  await sql.unsafe(mended)
  const after = (await checksIn(sql, { whole })).laws
  assert.is(after?.status, 'ok', after?.sentence)
  assert.is(laws?.status, 'fail', laws?.sentence)
  return laws?.sentence ?? ''
}

const unguarded = (statements: string) =>
  `alter table security_mappings disable trigger forbid_overlap_after_insert;
   ${statements};
   alter table security_mappings enable trigger forbid_overlap_after_insert`

const row = (value: string, ticker: string, start: string, end: string | null) =>
  `insert into security_mappings (identifier_type, identifier_value, ticker, start_date, end_date, last_fetched_date)
   values ('CUSIP', '${value}', '${ticker}', '${start}', ${end ? `'${end}'` : 'null'}, '${start}')`

async function loseAGuard(sql: ISql, index: string): Promise<void> {
  const name = 'security_mappings_period_is_not_empty'
  assert.match(
    await lawsWhile(
      sql,
      `alter table security_mappings disable trigger forbid_overlap_after_update`,
      `alter table security_mappings enable trigger forbid_overlap_after_update`,
    ),
    'Broken: trigger forbid_overlap_after_update on public.security_mappings is disabled.',
  )
  assert.match(
    await lawsWhile(
      sql,
      `alter table security_mappings rename constraint ${name} to other;
       alter table security_mappings add constraint ${name} check (start_date < end_date) not valid`,
      `alter table security_mappings validate constraint ${name};
       alter table security_mappings drop constraint other`,
    ),
    /constraint security_mappings_period_is_not_empty on public\.security_mappings(_\d)? is not validated/,
  )
  assert.match(
    await lawsWhile(
      sql,
      `update pg_index set indisvalid = false where indexrelid = '${index}'::regclass`,
      `update pg_index set indisvalid = true where indexrelid = '${index}'::regclass`,
    ),
    `unique index ${index} is not valid`,
  )
}

test('a guard of the laws that is disabled, not validated, invalid or gone is a broken law', () =>
  withRollback(async (sql) => {
    await loseAGuard(sql, 'public.security_mappings_one_open_row')
    await sql.unsafe(`
      drop trigger forbid_overlap_after_insert on security_mappings;
      drop index security_mappings_history;
      alter table security_mappings drop constraint security_mappings_source_is_known`)
    const { laws } = await checksIn(sql)
    assert.is(laws?.value, 3)
    assert.match(
      laws?.sentence ?? '',
      'Broken: trigger forbid_overlap_after_insert is missing, and 2 more. pgfigi health --whole',
    )
  }))

test('in partitions, too', () =>
  withRollback(async (sql) => {
    await observe(sql, 'CUSIP', makeCusip(1), 'T', '2020-01-01Z')
    const script = await readFile(join(packageRoot, 'docs', 'partitioning.sql'), 'utf8')
    await sql.unsafe(script.replaceAll(":'partitions'", `'2'`)).simple()
    for (const whole of [false, true]) {
      const { laws } = await checksIn(sql, { whole })
      assert.is(laws?.status, 'ok', laws?.sentence)
    }
    const [index] = await sql<{ name: string }[]>`
      select 'public.' || i.inhrelid::regclass as name from pg_inherits i
      where i.inhparent = 'security_mappings_one_open_row'::regclass order by 1 limit 1`
    await loseAGuard(sql, index?.name ?? '')
    for (const whole of [false, true]) {
      assert.match(
        await lawsWhile(
          sql,
          unguarded(row(makeCusip(1), 'X', '2021-01-01Z', '2022-01-01Z')),
          `delete from security_mappings where ticker = 'X'`,
          whole,
        ),
        `security_mappings_periods_do_not_overlap (CUSIP ${makeCusip(1)})`,
      )
    }
  }))

test('--whole finds a row that breaks a check, an overlap, a damaged index and a wrong count', () =>
  withRollback(async (sql) => {
    const cusips = Array.from({ length: 3_000 }, (_, n) => makeCusip(n))
    await sql`
      select count(*) from upsert_mappings(
        array_fill('CUSIP'::text, array[3000]), ${cusips}, array_fill('T'::text, array[3000]), '2020-01-01Z'
      )`
    const bad = makeCusip(5_000)
    const check = 'security_mappings_source_is_known'
    assert.match(
      await lawsWhile(
        sql,
        `alter table security_mappings drop constraint ${check};
         ${row(bad, 'T', '2020-01-01Z', null)};
         update security_mappings set source = 'rumour' where identifier_value = '${bad}';
         alter table security_mappings add constraint ${check} check (source in ('openfigi', 'import', 'sec_ftd')) not valid;
         update pg_constraint set convalidated = true where conname = '${check}'`,
        `delete from security_mappings where identifier_value = '${bad}'`,
        true,
      ),
      `security_mappings_source_is_known (CUSIP ${bad})`,
    )
    for (const [start, end] of [
      ['2019-01-01Z', '2020-02-01Z'],
      ['2021-01-01Z', '2021-02-01Z'],
    ] as const) {
      assert.match(
        await lawsWhile(
          sql,
          unguarded(row(makeCusip(7), 'X', start, end)),
          `delete from security_mappings where ticker = 'X'`,
          true,
        ),
        `security_mappings_periods_do_not_overlap (CUSIP ${makeCusip(7)})`,
      )
    }
    for (const index of ['security_mappings_history', 'security_mappings_one_open_row']) {
      assert.match(
        await lawsWhile(
          sql,
          `update pg_index set indisready = false where indexrelid = '${index}'::regclass;
           ${row(bad, 'T', '2020-01-01Z', null)};
           update pg_index set indisready = true where indexrelid = '${index}'::regclass`,
          `delete from security_mappings where identifier_value = '${bad}'`,
          true,
        ),
        `index ${index} has 3000 of 3001 rows`,
      )
    }
    assert.match(
      await lawsWhile(
        sql,
        `insert into figi_private.mapping_counts values ('2020-01-01Z', 1, 2, 3)`,
        `select figi_private.recount_mappings()`,
        true,
      ),
      'mapping_counts says 3001 found, 2 negatives, 3 ended, and there are 3000, 0, 0 (figi_private.recount_mappings()',
    )
  }))

test('migrations: none recorded, a caller and a process that know less', () =>
  withRollback(async (sql) => {
    const { migrations: old } = await checksIn(sql, { latestMigration: '000001-some-name' })
    assert.is(old?.status, 'warn')
    assert.match(old?.sentence ?? '', 'the pgfigi that asks knows only 000001. Upgrade it.')
    await seeProcess(sql, { process: 'old', kind: 'client', latest_migration: '000002' })
    const { migrations: behind } = await checksIn(sql, { latestMigration })
    assert.is(behind?.status, 'warn')
    assert.match(
      behind?.sentence ?? '',
      'the client with pid 4711 on host-1 (pgfigi 0.1.0) knows only 000002',
    )
    await sql`update figi_private.processes set seen_at = seen_at - interval '2 minutes'`
    assert.is((await checksIn(sql)).migrations?.status, 'ok')
    const twoLater = String(Number(latestMigration) + 2).padStart(6, '0')
    const { migrations: newer } = await checksIn(sql, { latestMigration: twoLater })
    assert.equal([newer?.status, newer?.value], ['fail', 2])
    await sql`drop schema graphile_migrate cascade`
    const { migrations: none } = await checksIn(sql)
    assert.is(none?.status, 'fail')
    assert.match(none?.sentence ?? '', /No migration is recorded.*Run pgfigi migrate up/)
  }))

test('no worker at all is a warning, and a failure once requests have waited for a minute', () =>
  withRollback(async (sql) => {
    assert.equal(unwell(await checksIn(sql)), ['worker_seen warn'])
    await resolve(sql, 'CUSIP', makeCusip(1))
    assert.equal(unwell(await checksIn(sql)), ['worker_seen warn'])
    await sql`update figi_private.fetch_requests set requested_at = requested_at - interval '90 seconds'`
    assert.equal(unwell(await checksIn(sql)), ['worker_seen fail'])
  }))

test('that nothing was asked says nothing about OpenFIGI: no failure while no worker runs', () =>
  withRollback(async (sql) => {
    const now = async () => {
      const { last_answer } = await checksIn(sql)
      return [last_answer?.status, last_answer?.sentence ?? ''] as const
    }
    const sent = (code: string) => sql`
      select figi_private.add_counts(${JSON.stringify([{ counter: 'openfigi_requests', labels: { code }, count: 1 }])}::text::jsonb)`
    const waits = (ago: string) => sql`
      update figi_private.fetch_requests set requested_at = clock_timestamp() - ${ago}::text::interval`
    assert.equal(await now(), ['ok', 'OpenFIGI has not answered since counting began.'])
    await resolve(sql, 'CUSIP', makeCusip(1))
    await waits('100 seconds')
    const unasked =
      /^OpenFIGI has not answered since counting began, and requests have waited for 2 h; nothing was asked meanwhile\. /
    assert.is((await now())[0], 'ok')
    await waits('2 hours')
    assert.is((await now())[0], 'warn')
    assert.match((await now())[1], unasked)
    await sent('200')
    await sql`update figi_private.count_totals set last_at = last_at - interval '3 hours'`
    assert.is((await now())[0], 'warn')
    assert.match(
      (await now())[1],
      /^OpenFIGI answered 3 h ago, and requests have waited for 2 h; nothing was asked meanwhile\./,
    )
    await sent('none')
    assert.is((await now())[0], 'fail')
    assert.match(
      (await now())[1],
      /^OpenFIGI answered 3 h ago, and requests have waited for 2 h\. The worker's log/,
    )
    await sql`delete from figi_private.count_totals where labels ->> 'code' = '200'`
    assert.is((await now())[0], 'fail')
    await sent('200')
    assert.equal((await now())[0], 'ok')
  }))

test('the oldest request is found in whichever round it is, behind those that somebody retried', () =>
  withRollback(async (sql) => {
    for (const n of [1, 2, 3]) await resolve(sql, 'CUSIP', makeCusip(n))
    await sql`
      update figi_private.fetch_requests
      set requested_at = requested_at - interval '10 minutes', unfiltered = true
      where identifier_value = ${makeCusip(2)}`
    await sql`
      update figi_private.fetch_requests
      set gave_up_at = clock_timestamp(), requested_at = requested_at - interval '1 day'
      where identifier_value = ${makeCusip(1)}`
    await sql`select figi_private.act_retry_all('me', '::1')`
    const { oldest_request } = await checksIn(sql)
    assert.ok(Math.abs((oldest_request?.value ?? 0) - 600) < 60, oldest_request?.sentence)
    assert.match(oldest_request?.sentence ?? '', /waited for 1[01] min; 3 requests wait in all/)
  }))

test('a limit of the queue that cannot be read, or is set where it counts for nothing, is named', () =>
  withRollback(async (sql) => {
    const [names] = await sql<[{ database: string; role: string }]>`
      select pg_catalog.quote_ident(pg_catalog.current_database()) as database, pg_catalog.quote_ident(current_user) as role`
    const settings = async () => (await checksIn(sql)).settings
    await sql.unsafe(`alter database ${names.database} set pgfigi.max_waiting = ' 2000 '`)
    assert.is((await settings())?.status, 'ok')
    await sql.unsafe(`alter database ${names.database} set pgfigi.max_waiting = '1e6'`)
    assert.match(
      (await settings())?.sentence ?? '',
      /^pgfigi\.max_waiting is no whole number: '1e6'\. .*until then the default counts\./,
    )
    await sql.unsafe(`alter database ${names.database} reset pgfigi.max_waiting`)
    await sql.unsafe(`alter role ${names.role} in database ${names.database} set pgfigi.max_waiting = '5'`)
    assert.match(
      (await settings())?.sentence ?? '',
      'pgfigi.max_waiting is set elsewhere than for this database.',
    )
  }))

test('settings move the thresholds; nonsense leaves the defaults, is named, and breaks nothing', () =>
  withRollback(async (sql) => {
    const check = async (settings: Record<string, string>) =>
      sql.savepoint(async (transaction) => {
        for (const [name, value] of Object.entries(settings))
          await transaction`select set_config(${name}, ${value}, true)`
        const checks = await checksIn(transaction)
        for (const name of Object.keys(settings)) await transaction`select set_config(${name}, '', true)`
        return checks
      })
    await sql`select figi_private.block_api_budget('b', '4 minutes')`
    assert.is((await check({})).budget_blocked?.status, 'warn')
    const moved = await check({ 'pgfigi.health_budget_blocked_fail': ' 120.5 ' })
    assert.equal([moved.budget_blocked?.status, moved.budget_blocked?.fails_at], ['fail', 120.5])
    assert.is(moved.settings?.status, 'ok')
    const quiet = await check({ 'pgfigi.health_budget_blocked_warn': '500' })
    assert.equal([quiet.budget_blocked?.status, quiet.budget_blocked?.threshold], ['ok', 500])
    for (const nonsense of ['much', '-1', '1e999', 'NaN', '1,5', "'; drop table x"]) {
      const { budget_blocked, settings } = await check({ 'pgfigi.health_budget_blocked_warn': nonsense })
      assert.equal([budget_blocked?.status, budget_blocked?.threshold], ['warn', 60])
      assert.is(settings?.status, 'warn')
      assert.match(settings?.sentence ?? '', /^pgfigi\.health_budget_blocked_warn is no number: /)
    }
    const crossed = await check({ 'pgfigi.health_bloat_warn': '0.9' })
    assert.match(
      crossed.settings?.sentence ?? '',
      'pgfigi.health_bloat_warn (0.9) is above pgfigi.health_bloat_fail (0.7).',
    )
    const ageless = await check({ 'pgfigi.cache_max_age': 'a while', 'pgfigi.keep_counts': 'long' })
    assert.is(ageless.settings?.value, 2)
    assert.match(ageless.settings?.sentence ?? '', "pgfigi.cache_max_age is no interval: 'a while'")
    assert.match(ageless.settings?.sentence ?? '', 'until then lookups fail and the default counts.')
    for (const [setting, value, says] of [
      ['cache_max_age', 'a while', /is no interval: 'a while'.*; until then lookups fail\./],
      ['cache_max_age', '-1 day', /is negative: '-1 day'.*; until then everything is stale\./],
      ['keep_counts', '99999999999999999999 days', /is no interval: .*; until then the default counts\./],
      ['keep_counts', '10000 years', /is not from 1 hour to 1000 years: .*until then the nearest of these/],
      ['keep_counts', '0', /is not from 1 hour to 1000 years: '0'/],
      ['keep_counts', '-1 day', /is not from 1 hour to 1000 years: '-1 day'/],
    ] as const) {
      const { settings } = await check({ [`pgfigi.${setting}`]: value })
      assert.equal([settings?.status, settings?.value], ['warn', 1])
      assert.match(settings?.sentence ?? '', says)
    }
    for (const [setting, value] of [
      ['cache_max_age', '0'],
      ['keep_counts', '1 hour'],
      ['keep_counts', '1000 years'],
    ])
      assert.is((await check({ [`pgfigi.${setting}`]: value as string })).settings?.status, 'ok')
    assert.equal(Object.keys(ageless), names)
    assert.equal([ageless.stale_share?.status, ageless.stale_share?.value], ['warn', null])
    assert.match(ageless.stale_share?.sentence ?? '', /^This check could not be made: .*22007/)
  }))

test('whatever is missing or locked costs its own row: it never raises, waits or writes', () =>
  withDatabase(async ({ sql, url }) => {
    await sql`drop schema graphile_worker cascade`
    await seeProcess(sql, { process: 'w', kind: 'worker' })
    assert.equal(unwell(await checksNow(url)), [])
    await using locker = await openSession(url)
    await locker.sql`begin`
    await locker.sql`lock table figi_private.fetch_requests, public.security_mappings in access exclusive mode`
    const began = performance.now()
    const checks = await checksNow(url)
    assert.ok(performance.now() - began < 60_000)
    await locker.sql`rollback`
    assert.equal(Object.keys(checks), names)
    assert.match(checks.gave_up?.sentence ?? '', /could not be made: canceling statement due to lock timeout/)
    assert.is(checks.budget_blocked?.status, 'ok')
    await sql`drop table figi_private.api_budgets`
    assert.equal(unwell(await checksNow(url)), ['budget_blocked warn'])
    await sql.begin('read only', async (transaction) => {
      for (const whole of [false, true])
        assert.is(
          (await transaction`select from public.health_checks(${whole}, ${latestMigration})`).length,
          17,
        )
    })
    await sql.begin('isolation level serializable', async (transaction) => {
      assert.is((await transaction`select from public.health_checks(null, null)`).length, 17)
    })
  }))

test.run()
