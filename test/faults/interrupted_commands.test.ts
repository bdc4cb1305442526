import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import type { Sql } from 'postgres'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { processExists } from '../../src/processes.ts'
import { type Ended, run, start, withInstallation } from '../cli/pgfigi.ts'
import { withFolder } from '../import/reading.ts'
import { amount, isAtLength } from '../support/at_length.ts'
import { testKey } from '../support/canaries.ts'
import { withDatabase, withEmptyDatabase } from '../support/database.ts'
import { figure } from '../support/figure.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { type Simulator, withSimulator } from '../support/openfigi_simulator.ts'
import { until } from '../support/until.ts'

interface Case {
  readonly name: string
  /** Files that it reads, by their names. */
  readonly reads?: Readonly<Record<string, string>>
  /** Names of its files stand in braces. */
  readonly args: readonly string[]
  /** Files that it writes. */
  readonly writes?: readonly string[]
  /** What is in the database before. */
  readonly before?: (sql: Sql) => Promise<unknown>
  readonly isEmpty?: boolean
  /** Whether it must not be run again where it has been done, as what undoes the last of something. */
  readonly isDone?: (sql: Sql) => Promise<boolean>
  readonly inShort: readonly NodeJS.Signals[]
}

const count = amount(800, 10_000)
const fetched = amount(150, 400)
const cusips = Array.from({ length: count }, (_, n) => makeCusip(n))
const few = cusips.slice(0, fetched)

const known = (sql: Sql) => sql`
  select count(*) from public.upsert_mappings(
    array_fill('CUSIP'::text, array[${count}::int]), ${cusips}::text[],
    array_fill('OLD'::text, array[${count}::int]), '2026-01-01'::timestamptz)`

const stale = (sql: Sql) => sql`
  select count(*) from public.upsert_mappings(
    array_fill('CUSIP'::text, array[${fetched}::int]), ${few}::text[],
    array_fill('OLD'::text, array[${fetched}::int]), '2020-01-01'::timestamptz)`

const migrationsIn = async (sql: Sql): Promise<number> =>
  (await sql`select count(*)::int as count from graphile_migrate.migrations`)[0]?.count

const cases: readonly Case[] = [
  {
    name: 'import of a cache',
    reads: {
      'cache.json': JSON.stringify(
        Object.fromEntries(
          cusips.flatMap((cusip, n) => [
            [cusip, `T${n}`],
            [`bad${n}`, 'X'],
          ]),
        ),
      ),
    },
    args: ['import', '{cache.json}', '--rejects', '{rejects.csv}', '--observed-at', '2021-03-09'],
    writes: ['rejects.csv'],
    inShort: ['SIGINT'],
  },
  {
    name: 'import of a table',
    reads: {
      'table.csv': [
        'cusip,ticker,start,end',
        ...cusips.flatMap((cusip) => [
          `${cusip},A,2020-01-01,2021-01-01`,
          `${cusip},B,2021-01-01,2022-01-01`,
        ]),
      ].join('\n'),
    },
    args: ['import', '{table.csv}', '--rejects', '{rejects.csv}'],
    inShort: [],
  },
  {
    name: 'import of a file of the SEC',
    reads: {
      'cnsfails202103a.txt': [
        'SETTLEMENT DATE|CUSIP|SYMBOL|QUANTITY (FAILS)|DESCRIPTION|PRICE',
        ...cusips.map((cusip, n) => `20210${301 + (n % 9)}|${cusip}|T${n % 90}|1|SOME INC|1.00`),
      ].join('\n'),
    },
    args: ['import', '{cnsfails202103a.txt}', '--rejects', '{rejects.csv}'],
    inShort: [],
  },
  {
    name: 'enrich',
    reads: { 'holdings.csv': `cusip\n${few.join('\n')}\n` },
    args: ['enrich', '{holdings.csv}', '-o', '{enriched.csv}'],
    writes: ['enriched.csv'],
    inShort: [],
  },
  {
    name: 'export',
    before: known,
    args: ['export', '-o', '{all.csv.gz}'],
    writes: ['all.csv.gz'],
    inShort: ['SIGKILL'],
  },
  {
    name: 'export of a dump',
    before: known,
    args: ['export', '--format', 'jsonl', '--history', '-o', '{all.jsonl}'],
    writes: ['all.jsonl'],
    inShort: [],
  },
  {
    name: 'resolve',
    reads: { 'list.txt': few.join('\n') },
    args: ['resolve', '--file', '{list.txt}'],
    inShort: [],
  },
  { name: 'warm', reads: { 'list.txt': few.join('\n') }, args: ['warm', '{list.txt}'], inShort: [] },
  { name: 'refresh', before: stale, args: ['refresh', '--wait'], inShort: [] },
  { name: 'clear', before: known, args: ['clear', '--yes'], inShort: [] },
  { name: 'clear --purge', before: known, args: ['clear', '--purge', '--yes'], inShort: [] },
  { name: 'migrate up', isEmpty: true, args: ['migrate', 'up'], inShort: [] },
  {
    name: 'migrate down',
    args: ['migrate', 'down'],
    isDone: async (sql) => (await migrationsIn(sql)) < (await committed()),
    inShort: [],
  },
]

async function committed(): Promise<number> {
  const { committedMigrations, migrationsFolder } = await import('../../src/database/migrations_folder.ts')
  return (await committedMigrations(migrationsFolder())).length
}

/** Everything in the database but ids and the times of fetches; where nothing is migrated, what there is. */
async function contentOf(sql: Sql): Promise<unknown> {
  const objects = await sql`
    select c.relkind::text as kind, c.oid::regclass::text as name from pg_class c
    where c.relnamespace in (select oid from pg_namespace where nspname in ('public', 'figi_private')) and c.relkind in ('r', 'v', 'i')
    union all
    select 'f', p.oid::regprocedure::text || md5(p.prosrc) from pg_proc p
    where p.pronamespace in (select oid from pg_namespace where nspname in ('public', 'figi_private'))
    order by 1, 2`
  const rows =
    objects.length === 0
      ? []
      : await sql`
    select m.identifier_type, m.identifier_value, m.ticker, m.name, m.figi, m.source, m.is_derived,
      m.end_date is null as is_open, case when m.is_derived then m.start_date end as start_date
    from public.security_mappings m
    order by m.identifier_type, m.identifier_value, m.start_date`
  const others =
    objects.length === 0
      ? []
      : await sql`
    select s::text as row from figi_private.sightings s
    union all
    select 'a request of ' || r.identifier_value from figi_private.fetch_requests r
    order by 1`
  return JSON.stringify([objects, rows, others])
}

const within = (folder: string, args: readonly string[]) =>
  args.map((arg) => arg.replace(/^\{(.*)\}$/, (_, name: string) => join(folder, name)))

async function makeFolder(folder: string, { reads = {} }: Case): Promise<string> {
  await mkdir(folder)
  for (const [name, content] of Object.entries(reads)) await writeFile(join(folder, name), content)
  return folder
}

/** A file's text, without where it lies. */
async function textOf(folder: string, name: string): Promise<string> {
  const bytes = await readFile(join(folder, name))
  return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString().replaceAll(folder, '')
}

const exitCodes: Readonly<Record<string, readonly (number | null)[]>> = {
  // null: before it listens to signals. 0: it was done.
  SIGINT: [130, 0, null],
  SIGTERM: [143, 0, null],
  SIGKILL: [0, null],
}

/** Undisturbed on one database, and interrupted by each of the signals in turn on another; what differs in the end. */
async function tryCase(
  one: Case,
  signals: readonly NodeJS.Signals[],
  openfigi: Simulator,
  folder: string,
): Promise<number> {
  const withOne = one.isEmpty ? withEmptyDatabase : withDatabase
  const envOf = (url: string) => ({
    DATABASE_URL: url,
    OPENFIGI_API_URL: openfigi.url,
    OPENFIGI_API_KEY: testKey,
    OPENFIGI_RATE_LIMIT: '1000/1s',
    OPENFIGI_JOBS_PER_REQUEST: '10',
  })
  let inTheMiddle = 0
  await withOne(async (clean) => {
    const cleanFolder = await makeFolder(join(folder, `${one.name} clean`), one)
    await one.before?.(clean.sql)
    const began = performance.now()
    const undisturbed = await run(within(cleanFolder, one.args), { env: envOf(clean.url) })
    const took = performance.now() - began
    assert.is(undisturbed.code, 0, `${one.name}: ${undisturbed.stderr}`)

    await withOne(async ({ sql, url }) => {
      const own = await makeFolder(join(folder, one.name), one)
      const args = within(own, one.args)
      await one.before?.(sql)
      for (const signal of signals) {
        if (await one.isDone?.(sql)) break
        const isDone = async () => (await one.isDone?.(sql)) ?? false
        const { code, stderr, after } = await interrupted(args, envOf(url), signal, took, isDone)
        const told = `${one.name}, ${signal} after ${after.toFixed(0)} of ${took.toFixed(0)} ms: ${code} ${stderr}`
        assert.ok(exitCodes[signal]?.includes(code), told)
        assert.not.match(stderr, /^\s+at |error:/m, told)
        if (code !== 0) inTheMiddle += 1
        for (const name of one.writes ?? [])
          if (existsSync(join(own, name)))
            assert.is(await textOf(own, name), await textOf(cleanFolder, name), told)
        if (signal !== 'SIGKILL')
          assert.is((await readdir(own)).filter((name) => name.endsWith('.part')).length, 0, told)
        await sessionsGone(sql)
        if (signal === 'SIGKILL') await leasesRunOut(sql)
      }
      if (!(await one.isDone?.(sql))) {
        const again = await run(args, { env: envOf(url) })
        assert.is(again.code, 0, `${one.name}: ${again.stderr}`)
        if (one.name === 'resolve') assert.is(again.stdout, undisturbed.stdout)
      }
      assert.is(await contentOf(sql), await contentOf(clean.sql), one.name)
      assert.equal((await readdir(own)).sort(), (await readdir(cleanFolder)).sort(), one.name)
      for (const name of one.writes ?? [])
        assert.is(await textOf(own, name), await textOf(cleanFolder, name), one.name)
    })
  })
  return inTheMiddle
}

/** Starts it and sends the signal at some point; ever sooner again where it had ended before, as where the first run had to wait. */
async function interrupted(
  args: readonly string[],
  env: Record<string, string>,
  signal: NodeJS.Signals,
  took: number,
  isDone: () => Promise<boolean>,
): Promise<Ended & { after: number }> {
  for (let attempt = 1; ; attempt += 1) {
    const after = ((0.3 + 0.6 * Math.random()) * took) / 2 ** (attempt - 1)
    const { child, ended } = start(args, { env })
    child.stdin.end()
    await Promise.race([sleep(after), ended])
    child.kill(signal)
    const end = await ended
    if (end.code !== 0 || attempt === 6 || (await isDone())) return { ...end, after }
  }
}

/** What the server was still busy with for a process that is gone. */
async function sessionsGone(sql: Sql): Promise<void> {
  await until(
    'its sessions are gone',
    async () => {
      const rows = await sql`
      select from pg_stat_activity where datname = current_database() and application_name like 'pgfigi%'`
      return rows.length === 0
    },
    60,
  )
  const locks = await sql`
    select from pg_locks l
    where l.database = (select oid from pg_database where datname = current_database())
      and l.locktype = 'advisory'`
  assert.is(locks.length, 0, 'a lock is left')
}

/** As if half a minute had gone by. */
async function leasesRunOut(sql: Sql): Promise<void> {
  const [table] = await sql`select to_regclass('figi_private.fetch_requests') is not null as is_there`
  if (table?.is_there)
    await sql`
    update figi_private.fetch_requests set claimed_until = clock_timestamp() where claimed_by is not null`
}

test('interrupted or killed at any point and run again, every command ends as if nothing had been', () =>
  withSimulator({ limit: { requests: 100_000, windowMs: 1000 }, latencyMs: 40 }, (openfigi) =>
    withFolder(async (folder) => {
      const queue = cases.map((one) => ({
        one,
        signals: isAtLength ? (['SIGINT', 'SIGKILL', 'SIGKILL', 'SIGTERM', 'SIGKILL'] as const) : one.inShort,
      }))
      const tried = queue.filter(({ signals }) => signals.length > 0)
      let [signalled, inTheMiddle] = [0, 0]
      const lane = async () => {
        for (let next = tried.shift(); next; next = tried.shift()) {
          inTheMiddle += await tryCase(next.one, next.signals, openfigi, folder)
          signalled += next.signals.length
        }
      }
      await Promise.all([lane(), lane(), lane()])
      assert.ok(inTheMiddle > 0)
      figure(`${signalled} signals, ${inTheMiddle} of them before the end`)
    }),
  ))

test('a second Ctrl-C ends at once what waits for others', () =>
  withInstallation(({ env, sql }) =>
    withFolder(async (folder) => {
      const path = join(folder, 'table.csv')
      await writeFile(path, `cusip,ticker\n${cusips.map((cusip) => `${cusip},A\n`).join('')}`)
      await sql.begin(async (locker) => {
        await locker`lock table figi_private.sightings in access exclusive mode`
        const { child, ended } = start(['import', path], { env })
        await until(
          'it waits',
          async () => {
            const rows = await sql`
            select from pg_stat_activity
            where datname = current_database() and application_name = 'pgfigi import' and wait_event_type = 'Lock'`
            return rows.length > 0
          },
          60,
        )
        child.kill('SIGINT')
        await sleep(1_200) // what comes sooner is the same key, handed on by npm
        assert.ok(processExists(child.pid ?? 0))
        let end: Ended | undefined
        // Where it was late to see the first, it takes the next for the same key, too. What waits for the lock never ends.
        for (let tries = 0; !end && tries < 8; tries += 1) {
          child.kill('SIGINT')
          end = await Promise.race([ended, sleep(3_000, undefined, { ref: false })])
        }
        assert.is(end?.code, 130)
      })
    }),
  ))

test.run()
