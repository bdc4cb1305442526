import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { counters } from '../../src/counting/counters.ts'
import { type TestDatabase, withDatabase } from '../support/database.ts'
import { withPgBouncer } from '../support/pgbouncer.ts'
import { startDatabaseProxy } from '../support/tcp_proxy.ts'
import { until } from '../support/until.ts'
import { withPage } from './pages.ts'

const test = suite('what the page reads')

const apple = '037833100'
const pages = [
  '/',
  '/?range=7d',
  `/search?q=${apple}`,
  '/search?q=AAPL',
  '/changes',
  '/negatives',
  '/requests',
  '/requests?state=gave_up',
  '/work',
]
const api = [
  'health',
  'overview',
  'charts?range=24h',
  `search?q=${apple}`,
  'changes',
  'negatives',
  'requests?state=gave_up',
  'work',
  'actions',
]

/** One that is hit, was renamed and has a CUSIP alone; one negative; one that waits, and one that gave up. */
async function withMappings(work: (database: TestDatabase) => Promise<void>): Promise<void> {
  await withDatabase(async (database) => {
    const { sql } = database
    await sql`select public.upsert_mapping('CUSIP', ${apple}, 'APPL', now() - interval '20 days')`
    await sql`select public.upsert_mapping('CUSIP', ${apple}, 'AAPL', now() - interval '10 days')`
    await sql`select public.upsert_mapping('CUSIP', '594918104', null, now() - interval '90 days')`
    await sql`select public.resolve_mapping('CUSIP', '023135106')`
    await sql`
      insert into figi_private.fetch_requests (identifier_type, identifier_value, priority, attempts, last_error, gave_up_at)
      values ('CUSIP', '88160R101', 0, 4, 'Something is wrong.', now())`
    await work(database)
  })
}

test('every page and every answer of the API is there, and looking at it asks for no fetch', () =>
  withMappings(async ({ url, sql }) => {
    const state = async () =>
      sql`select (select count(*) from figi_private.fetch_requests) as requests, (select count(*) from figi_private.actions) as actions`
    const before = await state()
    await withPage({ url }, async ({ ask }) => {
      for (const path of pages) {
        const { status, text } = await ask(path)
        assert.is(status, 200, `${path}: ${text}`)
        assert.match(text, '<!doctype html>')
        assert.not.match(text, '<form class="action"', 'no buttons unless they work')
      }
      for (const path of api) assert.is((await ask(`/api/v1/${path}`)).status, 200, path)
      assert.is((await ask('/runbooks/..%2F..%2Fpackage')).status, 404)
    })
    assert.equal(await state(), before)
  }))

test('a search finds an identifier as it is and was, under its sister, and the bearers of a ticker', () =>
  withMappings(async ({ url }) =>
    withPage({ url }, async ({ ask }) => {
      const search = async (q: string) => (await ask(`/api/v1/search?q=${encodeURIComponent(q)}`)).json
      const { identifier } = (await search(' 0378-33100 ')).found
      assert.equal(
        [identifier.identifier_value, identifier.status, identifier.resolved_via, identifier.current.ticker],
        [apple, 'hit', 'CUSIP', 'AAPL'],
      )
      assert.equal(
        identifier.history.map((period: { ticker: string }) => period.ticker),
        ['APPL', 'AAPL'],
      )
      assert.is(
        Date.parse(identifier.stale_at) - Date.parse(identifier.current.last_fetched_date),
        60 * 86_400_000,
      )
      const sister = (await search('US0378331005')).found.identifier
      assert.equal([sister.status, sister.resolved_via, sister.history.length], ['hit', 'CUSIP', 2])
      assert.is((await search('594918104')).found.identifier.status, 'stale')
      const waiting = (await search('023135106')).found.identifier
      assert.equal([waiting.status, waiting.history, waiting.request.state], ['miss', [], 'waiting'])
      assert.is((await search('88160R101')).found.identifier.request.last_error, 'Something is wrong.')
      const { found } = await search('aapl')
      assert.equal([found.kind, found.bearers[0].identifier_value], ['ticker', apple])
      const typo = await search('037833109')
      assert.is(typo.found, null)
      assert.match(typo.message, 'its check digit is wrong')
      assert.is((await ask('/api/v1/search?q=%2F%2F')).status, 400)
      assert.not.match((await ask('/search?q=%3Cscript%3Ealert')).text, '<script>alert')
    }),
  ))

test('rows that hold what nobody would write are shown all the same', () =>
  withMappings(async ({ url, sql }) => {
    const odd = [
      ['594918104', '0044-03-15 BC', '[]'],
      ['02079K305', '50000-01-01', '[1, "x", null, [2], {"ticker": {"toString": 1}, "name": "Rival"}]'],
    ] as const
    await sql`delete from public.security_mappings where identifier_value = '594918104'`
    for (const [value, at, alternatives] of odd)
      await sql`
        insert into public.security_mappings (identifier_type, identifier_value, ticker, start_date, last_fetched_date, alternatives)
        values ('CUSIP', ${value}, 'ODD', '0045-01-01 BC', ${at}::text::timestamptz, ${alternatives}::text::jsonb)`
    await withPage({ url }, async ({ ask }) => {
      for (const path of ['/search?q=594918104', '/search?q=02079K305', '/search?q=ODD', '/changes', '/']) {
        assert.is((await ask(path)).status, 200, path)
      }
      const { identifier } = (await ask('/api/v1/search?q=02079K305')).json.found
      assert.equal(identifier.current.alternatives, [{ ticker: { toString: 1 }, name: 'Rival' }])
      assert.is(identifier.current.last_fetched_date, '9999-12-31T23:59:59.999Z')
      assert.is((await ask('/api/v1/search?q=594918104')).json.found.identifier.status, 'stale')
      assert.match((await ask('/search?q=02079K305')).text, 'Rival')
    })
  }))

test('readyz and metrics tell what the checks and the counters say', () =>
  withMappings(async ({ url, sql }) => {
    await sql`select figi_private.add_counts(${JSON.stringify([
      { counter: 'openfigi_requests', labels: { code: '200' }, count: 5 },
      { counter: 'budget_wait_milliseconds', labels: {}, count: 1500 },
    ])}::text::jsonb)`
    await withPage({ url }, async ({ ask }) => {
      const ready = await ask('/readyz')
      const { status, checks } = ready.json
      assert.is(ready.status, status === 'fail' ? 503 : 200)
      assert.is(checks.length, 17)
      const { headers, text } = await ask('/metrics')
      assert.is(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
      for (const line of text.split('\n'))
        assert.match(
          line,
          /^$|^# (HELP|TYPE) pgfigi_|^pgfigi_\w+(\{(\w+="[^"]*",?)+\})? (-?[\d.e+-]+|Nan|\+Inf)$/,
        )
      for (const line of [
        'pgfigi_database_up 1',
        'pgfigi_openfigi_requests_total{code="200"} 5',
        'pgfigi_budget_wait_seconds_total 1.5',
        'pgfigi_mappings{kind="found"} 1',
        'pgfigi_gave_up_requests 1',
        'pgfigi_health_check_status{check="laws"} 0',
        'pgfigi_health_check_value{check="gave_up"} 1',
      ])
        assert.ok(text.split('\n').includes(line), line)
      for (const name of Object.keys(counters))
        assert.match(
          text,
          `# TYPE pgfigi_${name === 'budget_wait_milliseconds' ? 'budget_wait_seconds' : name}_total counter`,
        )
      for (const { gauge } of await sql`select distinct gauge from figi_private.gauges()`)
        assert.match(text, `# TYPE pgfigi_${gauge} gauge`)
      assert.not.match(text, apple)
    })
    await sql.unsafe(`alter database ${new URL(url).pathname.slice(1)} set pgfigi.health_gave_up_fail = '1'`)
    await withPage({ url }, async ({ ask, log }) => {
      const { status, json } = await ask('/readyz')
      assert.equal([status, json.status], [503, 'fail'])
      const { sentence } = json.checks.find(({ name }: { name: string }) => name === 'gave_up')
      assert.match(log(), JSON.stringify(sentence).slice(1, -1))
      assert.match((await ask('/metrics')).text, 'pgfigi_health_check_status{check="gave_up"} 2')
    })
  }))

test('the API describes itself, every operation with what it answers', () =>
  withPage({}, async ({ ask }) => {
    const { openapi, paths } = (await ask('/api/v1/openapi.json')).json
    assert.is(openapi, '3.1.0')
    const named = api.map((path) => `/api/v1/${path.split('?')[0]}`)
    const actions = ['fetch', 'retry', 'retry-all', 'unlock'].map((name) => `/api/v1/actions/${name}`)
    assert.equal(Object.keys(paths).sort(), [...named, ...actions, '/readyz'].sort())
    const answers = Object.values(paths as Record<string, Record<string, object>>).flatMap((path) =>
      Object.values(path),
    )
    for (const operation of answers as {
      summary: string
      responses: Record<string, { content: object }>
    }[]) {
      assert.ok(operation.summary.length > 8)
      for (const { content } of Object.values(operation.responses))
        assert.ok(Object.hasOwn(content, 'application/json'))
    }
    for (const name of ['retry-all', 'unlock'])
      assert.is(paths[`/api/v1/actions/${name}`].post.requestBody, undefined, 'they need no body')
    assert.ok(paths['/api/v1/actions/fetch'].post.requestBody)
    for (const path of [...named, ...actions])
      for (const { responses } of Object.values(paths[path]) as { responses: object }[])
        for (const status of ['413', '415', '500']) assert.ok(Object.hasOwn(responses, status), path)
    const { schema } = paths['/api/v1/overview'].get.responses['200'].content['application/json']
    assert.match(schema.properties.hit_rate_1h.description, '0 to 1')
  }))

test('behind a lock it says so while the lock is held, and waits no longer', () =>
  withMappings(async ({ url, sql }) =>
    withPage({ url }, async ({ ask, log }) => {
      await sql.begin(async (holder) => {
        await holder`lock table public.security_mappings in access exclusive mode`
        const answers = await Promise.all([ask('/changes'), ask(`/api/v1/search?q=${apple}`)])
        for (const answer of answers) {
          assert.is(answer.status, 503)
          assert.match(answer.text, 'Somebody holds a lock')
        }
        assert.ok([200, 503].includes((await ask('/readyz')).status))
        assert.is((await ask('/healthz')).status, 200)
        const waiting = () => sql`
          select from pg_stat_activity
          where application_name = 'pgfigi page' and wait_event_type = 'Lock' and datname = current_database()`
        await until('nobody waits for the lock', async () => (await waiting()).length === 0, 20)
      })
      assert.match(log(), 'Somebody holds a lock')
    }),
  ))

test('while the database is away or silent, it answers with a sentence; and with data when it is back', () =>
  withMappings(async ({ url }) => {
    const proxy = await startDatabaseProxy(url)
    await using _proxy = proxy
    await withPage({ url: proxy.urlOf(url) }, async ({ ask }) => {
      assert.is((await ask('/api/v1/overview')).status, 200)
      proxy.block()
      const answer = await ask('/work')
      assert.is(answer.status, 503)
      assert.match(answer.text, 'did not answer within')
      proxy.unblock()
      assert.is((await ask('/api/v1/changes')).status, 200)
    })
    await withPage({}, async ({ ask }) => {
      const { status, json } = await ask('/api/v1/overview')
      assert.is(status, 503)
      assert.match(json.error, 'The database cannot be reached')
      const { text } = await ask('/metrics')
      assert.match(text, 'pgfigi_database_up 0')
      assert.match(text, 'pgfigi_process_cpu_seconds_total')
    })
    await withPage({ url, readUrl: 'postgres://nobody@127.0.0.1:1/none' }, async ({ ask, log }) => {
      assert.is((await ask('/api/v1/changes')).status, 200, 'the primary answers for its replica')
      assert.match(log(), 'The replica cannot answer')
    })
  }))

test('works behind PgBouncer in transaction mode, without prepared statements', () =>
  withMappings(async ({ url, sql }) => {
    const hasRun = await withPgBouncer(url, (pooled) =>
      withPage({ url: pooled, prepare: false }, async ({ ask }) => {
        // A few at once: more might wait for a connection for longer than the page lets them.
        for (let first = 0; first < pages.length; first += 3) {
          const asked = pages.slice(first, first + 3)
          const answers = await Promise.all(asked.map((path) => ask(path)))
          assert.equal(
            answers.map(({ status }) => status),
            asked.map(() => 200),
          )
        }
        await sql.begin(async (holder) => {
          await holder`lock table public.security_mappings in access exclusive mode`
          assert.match((await ask('/search?q=US0378331005')).text, 'Somebody holds a lock')
        })
      }),
    )
    if (!hasRun) console.log('\nSKIPPED: the page behind PgBouncer (there is no pgbouncer)')
  }))

test.run()
