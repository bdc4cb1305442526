import { Logger, run as runWorker } from 'graphile-worker'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withDatabase, withRollback } from '../support/database.ts'
import { givenFunctions, type Role, readable } from '../support/decisions.ts'
import { makeCusip, makeIsin } from '../support/identifiers_maker.ts'
import { grantScript } from '../support/login_role.ts'
import { failureOf, observe, openSession, requestsFor, resolve } from '../support/mappings.ts'
import { withAdmin } from '../support/template.ts'
import { until } from '../support/until.ts'

const test = suite('docs/grants.sql')

type Sql = Parameters<Parameters<typeof withRollback>[0]>[0]

const ours = `('public'::regnamespace, 'figi_private'::regnamespace)`

const functionsOf = (role: Role) =>
  givenFunctions.filter((given) => given.role === role).map(({ signature }) => signature)

const analystFunctions = functionsOf('analyst').sort()
const monitorFunctions = functionsOf('monitor')
const workerFunctions = functionsOf('worker')
const analystViews = readable.map((name) => `select ${name}`)

const names = async (sql: Sql, query: string, parameters: string[] = []): Promise<string[]> =>
  (await sql.unsafe(query, parameters)).map((row) => String(row.name)).sort()

const executable = (sql: Sql, role: string) =>
  names(
    sql,
    `select p.oid::regprocedure::text as name
     from pg_proc p
     where p.pronamespace in ${ours} and has_function_privilege($1, p.oid, 'execute')`,
    [role],
  )

/** Each right on each table, view and sequence of ours. */
const held = (sql: Sql, role: string) =>
  names(
    sql,
    `select privilege || ' ' || c.oid::regclass as name
     from pg_class c
     cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) as privilege
     where c.relnamespace in ${ours}
       and c.relkind in ('r', 'v', 'm', 'p', 'f')
       and (
         has_table_privilege($1, c.oid, privilege)
         or case when privilege in ('select', 'insert', 'update', 'references') then has_any_column_privilege($1, c.oid, privilege) end
       )
     union all
     select 'sequence ' || c.oid::regclass
     from pg_class c
     where c.relnamespace in ${ours}
       and case c.relkind when 'S' then has_sequence_privilege($1, c.oid, 'usage, select, update') end`,
    [role],
  )

const schemas = (sql: Sql, role: string) =>
  names(
    sql,
    `select privilege || ' ' || n.nspname as name
     from pg_namespace n
     cross join unnest(array['usage', 'create']) as privilege
     where n.nspname in ('public', 'figi_private', 'graphile_worker') and has_schema_privilege($1, n.oid, privilege)
       and not (privilege = 'create' and n.nspname = 'public' and current_setting('server_version_num')::int < 150000)`,
    [role],
  )

/** The script applied, the session in that role; everything is rolled back. */
async function as(
  role: string,
  work: (sql: Sql, owner: <T>(work: () => Promise<T>) => Promise<T>) => Promise<void>,
) {
  await withRollback(async (sql) => {
    await sql.unsafe(grantScript)
    const [me] = await sql`select session_user as name`
    await sql.unsafe(`set local role ${role}`)
    await work(sql, async (work) => {
      await sql`set local role ${sql(me?.name)}`
      const result = await work()
      await sql.unsafe(`set local role ${role}`)
      return result
    })
  })
}

/** The SQLSTATE with which a statement is refused; null where it is not. */
const refusal = async (sql: Sql, statement: string) =>
  (await failureOf(sql.savepoint((s) => s.unsafe(statement))))?.code ?? null

test('it can be run any number of times', async () => {
  await withRollback(async (sql) => {
    for (let time = 0; time < 3; time++) await sql.unsafe(grantScript)
  })
})

test('it runs in two databases of a server at once', () =>
  withDatabase((one) =>
    withDatabase(async (other) => {
      // Roles of our own, which are there and not yet members of each other.
      const ours = grantScript.replaceAll(
        /pgfigi_(?=analyst|monitor|worker)/g,
        `pgfigi_twice_${process.pid}_`,
      )
      const roles = ['worker', 'monitor', 'analyst'].map((role) => `pgfigi_twice_${process.pid}_${role}`)
      try {
        for (const role of roles) await one.sql.unsafe(`create role ${role} nologin`)
        const isFirst = Promise.withResolvers<void>()
        const first = one.sql.begin(async (sql) => {
          await sql.unsafe(ours)
          isFirst.resolve()
          await new Promise((resolve) => setTimeout(resolve, 200))
        })
        await isFirst.promise
        await Promise.all([first, other.sql.unsafe(ours)])
      } finally {
        for (const { sql } of [one, other]) await sql.unsafe(`drop owned by ${roles}`)
        await withAdmin((admin) => admin.unsafe(`drop role ${roles}`))
      }
    }),
  ))

test('it runs where the schema of the worker is absent', async () => {
  await withRollback(async (sql) => {
    await sql`drop schema graphile_worker cascade`
    await sql.unsafe(grantScript)
  })
})

test('an analyst may execute the lookups and read the views, and nothing else whatever is added', async () => {
  await withRollback(async (sql) => {
    await sql.unsafe(grantScript)
    assert.equal(await executable(sql, 'pgfigi_analyst'), analystFunctions)
    assert.equal(await held(sql, 'pgfigi_analyst'), analystViews)
    assert.equal(await schemas(sql, 'pgfigi_analyst'), ['usage figi_private', 'usage public'])
  })
})

test('a monitor may also read what is counted, and has no right on a table of ours', async () => {
  await withRollback(async (sql) => {
    await sql.unsafe(grantScript)
    assert.equal(await executable(sql, 'pgfigi_monitor'), [...analystFunctions, ...monitorFunctions].sort())
    assert.equal(await held(sql, 'pgfigi_monitor'), analystViews)
    assert.equal(await schemas(sql, 'pgfigi_monitor'), ['usage figi_private', 'usage public'])
  })
})

test('a monitor reads everything it may', async () => {
  await as('pgfigi_monitor', async (sql, owner) => {
    await owner(() => observe(sql, 'CUSIP', makeCusip(1), 'T'))
    for (const call of [
      `public.cache_stats()`,
      `figi_private.counts_since(now() - interval '1 hour', '1 minute')`,
      `figi_private.sizes_since(now() - interval '1 hour', '1 minute')`,
      `figi_private.counter_totals()`,
      `figi_private.gauges()`,
      `public.health_checks(true, '000001')`,
      `figi_private.page_actions(10)`,
      `figi_private.page_bearers('T', 10)`,
      `figi_private.page_changes(10)`,
      `figi_private.page_jobs(10)`,
      `figi_private.page_negatives(10)`,
      `figi_private.page_processes()`,
      `figi_private.page_request_of('CUSIP', '${makeCusip(1)}')`,
      `figi_private.page_requests('waiting', 10)`,
      `figi_private.page_runs()`,
      `figi_private.stale_at(now())`,
    ]) {
      assert.is(await refusal(sql, `select * from ${call}`), null, call)
    }
    for (const call of [
      `figi_private.record_counts('{}', 1, '[]')`,
      `figi_private.keep_house()`,
      `figi_private.act_retry_all('me', '::1')`,
      `figi_private.unlock_dead_jobs()`,
      `figi_private.add_counts('[]')`,
      `public.upsert_mapping('CUSIP', '037833100', 'X')`,
    ]) {
      assert.is(await refusal(sql, `select * from ${call}`), '42501', call)
    }
  })
})

test('a worker may also execute what claims and records, and has no right on a table of ours', async () => {
  await withRollback(async (sql) => {
    await sql.unsafe(grantScript)
    assert.equal(
      await executable(sql, 'pgfigi_worker'),
      [...analystFunctions, ...monitorFunctions, ...workerFunctions].sort(),
    )
    assert.equal(await held(sql, 'pgfigi_worker'), analystViews)
    assert.equal(await schemas(sql, 'pgfigi_worker'), [
      'usage figi_private',
      'usage graphile_worker',
      'usage public',
    ])
  })
})

test('an analyst gets every status, and what is missed or stale is requested', async () => {
  await as('pgfigi_analyst', async (sql, owner) => {
    await owner(async () => {
      await observe(sql, 'CUSIP', makeCusip(1), 'HIT')
      await observe(sql, 'CUSIP', makeCusip(2), 'OLD', '2020-01-01')
      await observe(sql, 'CUSIP', makeCusip(3), null)
    })
    const asked = [
      ['CUSIP', makeCusip(1), 'hit', false],
      ['CUSIP', makeCusip(2), 'stale', true],
      ['CUSIP', makeCusip(3), 'negative', false],
      ['CUSIP', makeCusip(4), 'miss', true],
      ['CUSIP', 'nonsense', 'invalid', false],
      ['ISIN', makeIsin(1), 'hit', false],
      ['ISIN', makeIsin(5, 'GB'), 'miss', true],
    ] as const
    for (const [type, value, status, requested] of asked) {
      const answer = await resolve(sql, type, value)
      assert.equal([answer.status, answer.fetch_requested], [status, requested], `${type} ${value}`)
      const [untyped] = await sql`select status from resolve_mapping(${value})`
      assert.is(untyped?.status, status)
    }
    assert.is(await owner(() => requestsFor(sql, 'CUSIP', makeCusip(4))), 1)
    assert.is(await owner(() => requestsFor(sql, 'CUSIP', makeCusip(2))), 1)
    const [set] = await sql`
      select array_agg(r.status order by r.ordinality) as statuses
      from resolve_mappings('CUSIP', ${[makeCusip(1), makeCusip(2), makeCusip(3), makeCusip(4), 'nonsense']}) r`
    assert.equal(set?.statuses, ['hit', 'stale', 'negative', 'miss', 'invalid'])
  })
})

test('an analyst can use each of the other functions and views, inlined or not', async () => {
  await as('pgfigi_analyst', async (sql, owner) => {
    await owner(() => observe(sql, 'CUSIP', '037833100', 'AAPL', '2020-01-01'))
    for (const query of [
      `select * from current_mappings`,
      `select * from mapping_periods`,
      `select * from mapping_history('CUSIP', '037833100')`,
      `select * from mappings_as_of('2021-01-01')`,
      `select * from mappings_as_of(date '2021-01-01')`,
      `select * from unnest(array[date '2021-01-01']) d cross join lateral mappings_as_of(d)`,
      `select * from mappings_as_of((select date '2021-01-01'))`,
      `select * from resolve_mapping('CUSIP', '037833100', date '2021-01-01')`,
      `select * from unnest(array[date '2021-01-01']) d cross join lateral resolve_mapping('CUSIP', '037833100', d)`,
      `select * from resolve_mapping('CUSIP', '037833100', (select date '2021-01-01'))`,
      `select * from resolve_mappings('CUSIP', '{037833100}', date '2021-01-01')`,
      `select * from stale_mappings()`,
      `select * from mapping_changes('2019-01-01')`,
      `select * from mapping_changes((select timestamptz '2019-01-01'))`,
      `select * from cache_stats()`,
      `select resolve_mapping('CUSIP', '037833100')`,
      `select (resolve_mapping('CUSIP', v)).ticker from unnest(array['037833100']) v`,
      `select * from resolve_mapping('CUSIP', (select '037833100'))`,
      `select * from resolve_mappings('CUSIP', (select array['037833100', 'x']))`,
      `select * from current_mappings m cross join lateral resolve_mapping(m.identifier_value) r`,
      `select cache_max_age(), clean_identifier('x'), normalize_identifier('CUSIP', '37833100'), complete_cusip('03783310'), isin_of_cusip('037833100', 'US')`,
    ]) {
      const rows = await sql.unsafe(query)
      assert.ok(rows.length > 0, query)
    }
    for (const plan of ['force_generic_plan', 'force_custom_plan']) {
      await sql.unsafe(`set local plan_cache_mode to ${plan}`)
      assert.is((await resolve(sql, 'CUSIP', '037833100')).status, 'stale')
    }
  })
})

test('an analyst can look up in a read-only transaction', async () => {
  await as('pgfigi_analyst', async (sql, owner) => {
    await owner(() => observe(sql, 'CUSIP', makeCusip(1), 'HIT'))
    await sql`set local transaction_read_only to on`
    assert.is((await resolve(sql, 'CUSIP', makeCusip(1))).status, 'hit')
    const miss = await resolve(sql, 'CUSIP', makeCusip(2))
    assert.equal([miss.status, miss.fetch_requested], ['miss', false])
  })
})

test('an analyst is refused everything else', async () => {
  await as('pgfigi_analyst', async (sql) => {
    for (const statement of [
      `select * from security_mappings`,
      `select ticker from public.security_mappings`,
      `insert into security_mappings (identifier_type, identifier_value, ticker, start_date, last_fetched_date) values ('CUSIP', '037833100', 'X', now(), now())`,
      `update current_mappings set ticker = 'X'`,
      `delete from mapping_periods`,
      `insert into current_mappings (identifier_type, identifier_value, ticker, start_date, last_fetched_date) values ('CUSIP', '037833100', 'X', now(), now())`,
      `select * from figi_private.fetch_requests`,
      `select * from figi_private.api_budgets`,
      `select figi_private.request_fetch('CUSIP', '037833100', 0::smallint)`,
      `select upsert_mapping('CUSIP', '037833100', 'X')`,
      `select upsert_mappings('{CUSIP}', '{037833100}', '{X}')`,
      `select clear_cache()`,
      `select purge_cache()`,
      `select figi_private.restore_rows('security_mappings', '[]')`,
      `select refresh_stale()`,
      `select warm_mappings('CUSIP', '{037833100}')`,
      `select * from graphile_worker.jobs`,
      `select graphile_worker.add_job('x')`,
      `create table figi_private.x (n int)`,
      `alter table security_mappings add column x int`,
      `drop view current_mappings`,
    ]) {
      assert.is(await refusal(sql, statement), '42501', statement)
    }
  })
})

test('a worker goes through a whole cycle: a lookup, a claim, slots, an answer, releases, a refresh', async () => {
  await as('pgfigi_worker', async (sql) => {
    for (let n = 0; n < 4; n++) assert.is((await resolve(sql, 'CUSIP', makeCusip(n))).fetch_requested, true)
    const claimed = await sql`
      select identifier_value from figi_private.claim_requests('me', 100, 100, '1 minute', '{CUSIP}', ${[makeCusip(0)]})`
    assert.is(claimed.length, 4)
    for (const statement of [
      `select figi_private.open_api_slots('b', 25, '7 seconds')`,
      `select figi_private.reserve_api_slot('b', 25, '7 seconds')`,
      `select figi_private.api_blocked_for('b')`,
      `select figi_private.block_api_budget('b', '1 second')`,
      `select figi_private.exhaust_api_budget('b', 25, '7 seconds', '1 second')`,
      `select figi_private.renew_claims('me', '1 minute')`,
      `select figi_private.release_claims('me', '{CUSIP}', '{${makeCusip(3)}}', 'outage')`,
      `select figi_private.next_claim_in()`,
      `select * from figi_private.pending_requests('{CUSIP}', '{${makeCusip(3)}}')`,
      `select upsert_mapping('CUSIP', '${makeCusip(7)}', 'OLD', '2020-01-01')`,
      `select upsert_mappings('{CUSIP}', '{${makeCusip(8)}}', '{OLD}', '2020-01-01')`,
      `select refresh_stale()`,
      `select warm_mappings('CUSIP', '{${makeCusip(6)}}')`,
      `select * from figi_private.request_warming(null, '{${makeCusip(5)}}', '1 day')`,
      `select figi_private.queue_size()`,
      `select figi_private.record_sightings('{CUSIP}', '{${makeCusip(9)}}', '{OLD}', '{2020-01-01}', '{2020-01-02}', '{null}', '{null}', 'sec_ftd')`,
      `select figi_private.restore_rows('sightings', '[]')`,
      `select figi_private.record_counts('{"process": "p", "kind": "worker", "host": "h", "pid": 1, "version": "1"}', 1, '[]')`,
      `select figi_private.keep_house()`,
      `select figi_private.process_ended('p')`,
    ]) {
      assert.is(await refusal(sql, statement), null, statement)
    }
    const answers = [
      { outcome: 'listing', ticker: 'T' },
      { outcome: 'none' },
      { outcome: 'unfiltered' },
      { outcome: 'error', message: 'm' },
    ].map((one, n) => ({ identifier_type: 'CUSIP', identifier_value: makeCusip(n), ...one }))
    await sql`select figi_private.record_answers(${JSON.stringify(answers)}::text::jsonb, '1 second')`
    assert.is((await resolve(sql, 'CUSIP', makeCusip(0))).status, 'hit')
    assert.is((await resolve(sql, 'CUSIP', makeCusip(1))).status, 'negative')
    await sql`select clear_cache()`
    assert.is((await resolve(sql, 'CUSIP', makeCusip(0))).status, 'miss')
  })
})

test('a worker is refused the tables, and the functions that are nobody else’s business', async () => {
  await as('pgfigi_worker', async (sql) => {
    for (const statement of [
      `select * from security_mappings`,
      `truncate security_mappings`,
      `update mapping_periods set ticker = 'X'`,
      `select * from figi_private.fetch_requests`,
      `delete from figi_private.fetch_requests`,
      `update figi_private.api_budgets set blocked_until = '-infinity'`,
      `select figi_private.lock_queue()`,
      `select figi_private.request_fetch('CUSIP', '037833100', 0::smallint)`,
      `create table figi_private.x (n int)`,
      `create table graphile_worker.x (n int)`,
      `drop schema graphile_worker cascade`,
    ]) {
      assert.is(await refusal(sql, statement), '42501', statement)
    }
  })
})

test('graphile-worker runs a job that a lookup added, as a user with nothing but the role of the worker', async () => {
  const user = `pgfigi_test_worker_${process.pid}`
  try {
    await withDatabase(async ({ sql, url }) => {
      await sql.unsafe(grantScript)
      await sql.unsafe(`create role ${user} login`)
      await sql.unsafe(`alter role ${user} password 'secret'`)
      await sql.unsafe(`grant pgfigi_worker to ${user}`)
      const own = new URL(url)
      own.username = user
      own.password = 'secret'
      await using session = await openSession(own.href)
      const [me] = await session.sql`select current_user as name`
      assert.is(me?.name, user)
      await sql`delete from graphile_worker._private_jobs`
      assert.is((await resolve(session.sql, 'CUSIP', makeCusip(1))).fetch_requested, true)

      const ran = Promise.withResolvers<number>()
      const runner = await runWorker({
        connectionString: own.href,
        concurrency: 1,
        pollInterval: 100,
        noHandleSignals: true,
        logger: new Logger(() => () => {}),
        crontab: '* * * * * refresh_stale_mappings',
        taskList: {
          fetch_mappings: async (_payload, { withPgClient }) => {
            const { rows } = await withPgClient((client) =>
              client.query(`select * from figi_private.claim_requests('me', 100, 100, '1 minute')`),
            )
            ran.resolve(rows.length)
          },
          refresh_stale_mappings: async () => {},
        },
      })
      const timer = setTimeout(() => ran.reject(new Error('The job did not run')), 60_000)
      try {
        assert.is(await ran.promise, 1)
        // Before the runner stops: it does not wait for what completes a job, and may end the pool under it.
        await until('the job is done', async () => {
          const left = await sql`select from graphile_worker.jobs where task_identifier = 'fetch_mappings'`
          return left.length === 0
        })
      } finally {
        clearTimeout(timer)
        await runner.stop()
      }
    })
  } finally {
    await withAdmin((sql) => sql`drop role if exists ${sql(user)}`)
  }
})

test.run()
