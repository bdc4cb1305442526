import { execFile } from 'node:child_process'
import { access, mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import postgres, { type Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { dumpSchema } from '../../scripts/schema_dump.ts'
import { parseConfig } from '../../src/config.ts'
import { silentLogger } from '../../src/log.ts'
import { startWorker } from '../../src/worker/run.ts'
import { run } from '../cli/pgfigi.ts'
import { testKey } from '../support/canaries.ts'
import { databaseUrl, makeHome, packageRoot, removeHome } from '../support/cluster.ts'
import { makeCusip, makeCusips } from '../support/identifiers_maker.ts'
import { observe, resolve } from '../support/mappings.ts'
import { type Simulator, withSimulator } from '../support/openfigi_simulator.ts'
import { otherServers, startCluster } from '../support/run_clusters.ts'
import { migrateToNow } from '../support/template.ts'
import { until } from '../support/until.ts'
import { blocksOf, pagesOf } from './pages.ts'

const test = suite('backup and restore')
const execute = promisify(execFile)

const fetched = makeCusips(0, 120)
const waiting = makeCusips(500, 20)

/** The commands of docs/operations/backup.md that begin with one of these words, as they stand there. */
async function commandsOfPage(programs: RegExp): Promise<string[]> {
  const page = (await pagesOf('operations')).find(({ path }) => path.endsWith('backup.md'))
  if (!page) throw new Error('docs/operations/backup.md is missing')
  return blocksOf(page, 'sh')
    .flatMap((block) => block.split('\n'))
    .filter((line) => programs.test(line))
}

interface Stage {
  readonly source: string
  readonly restored: string
  /** Runs what the page says. */
  readonly shell: (line: string) => Promise<void>
}

/** A server of the system's PostgreSQL with its tools, and a migrated database in it; says so where there is none. */
async function staged(work: (stage: Stage) => Promise<void>): Promise<void> {
  const [server] = (await otherServers()).slice(-1)
  const folder = server?.binaries ? dirname(server.binaries.initdb) : ''
  const hasTools = await access(join(folder, 'pg_dump')).then(
    () => true,
    () => false,
  )
  if (!server || !hasTools) return console.log('SKIPPED: dump and restore (there is no pg_dump of a server)')
  const home = await mkdtemp(join(tmpdir(), 'backup-'))
  await makeHome(home)
  try {
    await using cluster = await startCluster(server, home)
    const source = databaseUrl(cluster.url, 'mydatabase')
    const admin = postgres(cluster.url, { max: 1 })
    await admin`create database mydatabase template template0`.finally(() => admin.end())
    await migrateToNow(source)
    const { hostname, port, username, password } = new URL(source)
    const env = {
      ...process.env,
      PATH: [folder, process.env.PATH].join(delimiter),
      // The programs find the password below, where no list of processes shows it.
      DATABASE_URL: Object.assign(new URL(source), { password: '' }).href,
      PGHOST: hostname,
      PGPORT: port,
      PGUSER: username,
      PGPASSWORD: decodeURIComponent(password),
    }
    const shell = async (line: string) => {
      await execute('sh', ['-c', line], { cwd: home, env, timeout: 200_000 })
    }
    await work({ source, restored: databaseUrl(source, 'restored'), shell })
  } finally {
    await removeHome(home)
  }
}

/** Answers of OpenFIGI, imports, negatives, changes, what waits, gave up and failed, rights and counts. */
async function fill(sql: Sql, sim: Simulator, url: string): Promise<void> {
  await sql.unsafe(await readFile(join(packageRoot, 'docs', 'grants.sql'), 'utf8'))
  await sql`
    select figi_private.record_sightings(
      '{CUSIP,CUSIP,CUSIP}', ${[1, 1, 2].map(makeCusip)}, '{A,B,C}',
      '{2020-01-01,2020-02-03,2020-03-02}', '{2020-01-02,2020-02-04,null}', '{null,null,2020-03-02}',
      '{null,"{\\"name\\": \\"Café, Inc.\\"}",null}', 'import'
    )`
  await observe(sql, 'CUSIP', makeCusip(3), 'OLD', '2021-05-05 12:34:56.789012Z')
  for (const unknown of fetched.slice(100)) sim.set(unknown, 'unknown')
  await sql`select from public.resolve_mappings('CUSIP', ${fetched}, max_age => '30 days')`
  await withWorker(sim, url, () => until('all are fetched', async () => (await pendingOf(sql)) === 0))
  await sql`select from public.resolve_mappings('CUSIP', ${waiting})`
  await sql`
    update figi_private.fetch_requests
    set attempts = 4, last_error = 'Internal error', gave_up_at = clock_timestamp()
    where identifier_value = ${waiting[0] ?? ''}`
  await sql`
    update figi_private.fetch_requests
    set claimed_by = 'a worker of then', claimed_until = clock_timestamp() + interval '1 second'
    where identifier_value = ${waiting[1] ?? ''}`
  await sql`
    update graphile_worker._private_jobs
    set locked_by = 'a worker of then', locked_at = clock_timestamp() - interval '1 hour'`
  await sql`
    insert into figi_private.actions (who, address, action, subject, outcome)
    values ('alice', '127.0.0.1', 'retry_all', '', 'It''s done')`
}

async function withWorker(sim: Simulator, url: string, work: () => Promise<unknown>): Promise<void> {
  const environment = { DATABASE_URL: url, OPENFIGI_API_URL: sim.url, OPENFIGI_API_KEY: testKey }
  const worker = await startWorker(parseConfig(environment), url, silentLogger)
  await work().finally(() => worker.stop())
}

async function pendingOf(sql: Sql): Promise<number> {
  const [row] = await sql<[{ pending: number }]>`select pending::int from public.cache_stats()`
  return row.pending
}

/** A fingerprint of every table of ours and of the libraries', and where their sequences stand. */
async function contentsOf(sql: Sql): Promise<Record<string, string>> {
  const tables = await sql<{ name: string; is_sequence: boolean }[]>`
    select c.oid::regclass::text as name, c.relkind = 'S' as is_sequence
    from pg_class c
    where c.relkind in ('r', 'S')
      and c.relnamespace::regnamespace::text in ('public', 'figi_private', 'graphile_worker', 'graphile_migrate')
    order by name`
  const contents: Record<string, string> = {}
  for (const { name, is_sequence } of tables) {
    const row = is_sequence ? 't.last_value' : 't'
    const [found] = await sql.unsafe<[{ text: string }]>(`
      select concat(count(*), ' rows ', md5(string_agg(${row}::text, E'\\n' order by ${row}::text))) as text
      from ${name} t`)
    contents[name] = found.text
  }
  return contents
}

/** A body that was written out and read again has other brackets and names for its columns. */
async function schemaOf(sql: Sql): Promise<string[]> {
  const text = await dumpSchema(sql)
  return text
    .replace(/[()]/g, '')
    .replace(/ AS \w+/g, '')
    .split('\n')
}

async function answersOf(sql: Sql): Promise<object[]> {
  const all = [...fetched, ...waiting]
  const now = await sql`select * from public.resolve_mappings('CUSIP', ${all})`
  const then = await sql`select * from public.resolve_mappings('CUSIP', ${all}, date '2020-02-04')`
  const history = await sql`select * from public.mapping_history('CUSIP', ${makeCusip(1)})`
  const changes = await sql`select * from public.mapping_changes('-infinity')`
  return [...now, ...then, ...history, ...changes]
}

test('what the page says brings everything back, and the worker goes on', () =>
  withSimulator({ limit: { requests: 1000, windowMs: 1000 } }, (sim) =>
    staged(async ({ source, restored, shell }) => {
      await using before = open(source)
      await fill(before.sql, sim, source)
      for (const line of await commandsOfPage(/^(pg_\w+|psql|createdb) /)) await shell(line)
      await using after = open(restored)

      const contents = await contentsOf(before.sql)
      assert.match(contents.security_mappings ?? '', /^12[0-9] rows/)
      assert.match(contents['figi_private.fetch_requests'] ?? '', /^20 rows/)
      assert.match(contents['graphile_worker._private_jobs'] ?? '', /^1 rows/)
      assert.equal(await contentsOf(after.sql), contents)
      const [is, was] = [await schemaOf(after.sql), await schemaOf(before.sql)]
      assert.equal(
        is.filter((line) => !was.includes(line)),
        [],
      )
      assert.is(is.length, was.length, 'functions, laws, comments and rights')

      for (const line of await commandsOfPage(/^pgfigi (migrate|worker|health) /)) {
        const { code, stdout, stderr } = await run(line.split(' ').slice(1), {
          env: { DATABASE_URL: restored },
        })
        const isWell = !/^health/.test(line) || !/\b(laws|migrations)\b.*\bfail\b/.test(stdout)
        assert.ok(isWell && (code === 0 || line.startsWith('pgfigi health')), `${line}: ${stdout}${stderr}`)
      }
      const [jobs] = await after.sql`
        select count(*)::int as locked from graphile_worker.jobs where locked_by is not null`
      assert.is(jobs?.locked, 0)
      const checks = await after.sql`select name, status from public.health_checks(whole => true)`
      const wrong = checks.filter(({ status }) => status !== 'ok').map(({ name }) => name)
      assert.equal(wrong, ['worker_seen', 'gave_up'])

      await after.sql`set default_transaction_read_only = on`
      await before.sql`set default_transaction_read_only = on`
      assert.equal(await answersOf(after.sql), await answersOf(before.sql))
      await after.sql`set default_transaction_read_only = off`

      const asked = sim.log.length
      await withWorker(sim, restored, () =>
        until('what waited is fetched', async () => (await pendingOf(after.sql)) === 0),
      )
      assert.is((await resolve(after.sql, 'CUSIP', waiting[1] ?? '')).status, 'hit')
      assert.ok(sim.log.length > asked)
      assert.is(sim.requestsFor(fetched[0] ?? '').length, 1, 'what was known is not asked for again')
    }),
  ))

/** One session, so that what is set for it counts for all that follows. */
function open(url: string): { readonly sql: Sql } & AsyncDisposable {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  return { sql, [Symbol.asyncDispose]: () => sql.end({ timeout: 5 }) }
}

test.run()
