import { cp, mkdir, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { dumpSchema } from '../../scripts/schema_dump.ts'
import { migrateUp, migrationStatus } from '../../src/database/migrate.ts'
import { type MigrateDownOptions, migrateDown } from '../../src/database/migrate_down.ts'
import {
  type CommittedMigration,
  committedMigrations,
  migrationsFolder,
} from '../../src/database/migrations_folder.ts'
import { undoOf } from '../../src/database/undo_files.ts'
import { MigrationError } from '../../src/errors/migration_error.ts'
import { type TestDatabase, withDatabase, withEmptyDatabase } from '../support/database.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { grantScript } from '../support/login_role.ts'
import { observe, openSession, resolve } from '../support/mappings.ts'
import { type Draft, writeMigrations } from '../support/migrations_maker.ts'

const test = suite('undoing migrations')

const APPLE = makeCusip(1)

const first: Draft = {
  message: 'the first',
  body: 'create schema ours; create table ours.things (id int); create view ours.seen as select * from ours.things',
  undo: '--! Loses: ours.things\n\ndrop view ours.seen; drop table ours.things; drop schema ours',
}
const second: Draft = {
  message: 'the second',
  body: 'create table ours.more (id int)',
  undo: '--! Discards: ours.more\n\ndrop table ours.more',
}

async function folderOf(...drafts: Draft[]): Promise<string> {
  return writeMigrations(await mkdtemp(join(tmpdir(), 'migrations-')), drafts)
}

async function failure(work: Promise<unknown>): Promise<MigrationError> {
  try {
    await work
  } catch (error) {
    if (error instanceof MigrationError) return error
    throw error
  }
  throw new Error('it did not fail')
}

async function dump(sql: Sql): Promise<string> {
  const connection = await sql.reserve()
  try {
    return await dumpSchema(connection)
  } finally {
    connection.release()
  }
}

/** Undoes what came after the first migration, which made the tables. */
async function backToTheFirst(url: string): Promise<void> {
  const later = (await committedMigrations(migrationsFolder())).slice(1)
  for (const { name } of later.reverse()) assert.is(await migrateDown(url), name)
}

async function tables(sql: Sql): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select format('%s.%s', schemaname, tablename) collate "C" as name
    from pg_tables
    where schemaname !~ '^(pg_|information_schema|graphile_)'
    order by name`
  return rows.map(({ name }) => name)
}

/** The package's own migrations up to this one. */
async function folderUpTo(migrations: readonly CommittedMigration[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'migrations-'))
  await cp(join(migrationsFolder(), 'undo'), join(folder, 'undo'), { recursive: true })
  await mkdir(join(folder, 'committed'))
  for (const { name } of migrations)
    await cp(join(migrationsFolder(), 'committed', `${name}.sql`), join(folder, 'committed', `${name}.sql`))
  return folder
}

test('every committed migration, up and down and up again, leaves what it left the first time', async () => {
  const ours = await committedMigrations(migrationsFolder())
  await withEmptyDatabase(async ({ sql, url }) => {
    for (const [place, migration] of ours.entries()) {
      const { name } = migration
      const undo = await undoOf(migration, migrationsFolder())
      if (!undo) throw new Error(`${name} has no undo: write migrations/undo/${name}.sql`)
      const folder = await folderUpTo(ours.slice(0, place + 1))
      const [before, tablesBefore] = [await dump(sql), await tables(sql)]
      await migrateUp(url, { folder })
      const [up, tablesUp] = [await dump(sql), await tables(sql)]
      assert.is(await migrateDown(url, { folder }), name)
      assert.is(await dump(sql), before, name)

      const tablesDown = await tables(sql)
      assert.equal(tablesDown, tablesBefore)
      const named = [...undo.loses, ...undo.discards].map((table) => table.join('.'))
      const dropped = tablesUp.filter((table) => !tablesDown.includes(table))
      assert.equal(
        dropped.filter((table) => !named.includes(table)),
        [],
        `the headers of ${undo.file} say nothing of these tables, whose rows it loses`,
      )
      await migrateUp(url, { folder })
      assert.is(await dump(sql), up, name)
    }
  })
})

test('it leaves nothing of ours but the library schemas, and what is not ours as it was', () =>
  withDatabase(async ({ sql, url }) => {
    await sql`create table public.holdings (cusip text primary key)`
    await sql`create view public.books as select count(*) from public.holdings`
    await sql`create function public.cache_stats(text) returns int language sql return 1`
    await sql`insert into public.holdings values (${APPLE})`
    await sql`select graphile_worker.add_job('fetch_mappings')`
    await sql`select graphile_worker.add_job('their_task')`
    await backToTheFirst(url)
    assert.is(await migrateDown(url), (await committedMigrations(migrationsFolder()))[0]?.name)

    const left = await sql<{ name: string }[]>`
      select pg_describe_object(d.classid, d.objid, 0) collate "C" as name
      from (
        select 'pg_proc'::regclass as classid, oid as objid from pg_proc where pronamespace = 'public'::regnamespace
        union all
        select 'pg_class'::regclass, oid from pg_class where relnamespace = 'public'::regnamespace and relkind <> 'i'
        union all
        select 'pg_type'::regclass, oid from pg_type where typnamespace = 'public'::regnamespace and typrelid = 0 and typelem = 0
        union all
        select 'pg_namespace'::regclass, oid from pg_namespace where nspname !~ '^(pg_|information_schema)'
      ) d
      order by name`
    assert.equal(
      left.map(({ name }) => name),
      [
        'function cache_stats(text)',
        'schema graphile_migrate',
        'schema graphile_worker',
        'schema public',
        'table holdings',
        'view books',
      ],
    )
    assert.equal(
      (await sql`select cusip from public.holdings`).map((row) => row.cusip),
      [APPLE],
    )
    assert.equal(
      (await sql`select task_identifier from graphile_worker.jobs`).map((row) => row.task_identifier),
      ['their_task'],
    )
    const [books] = await sql`
      select
        (select count(*)::int from graphile_migrate.migrations) as migrations,
        (select count(*)::int from graphile_migrate.current) as current`
    assert.equal({ ...books }, { migrations: 0, current: 0 })

    await migrateUp(url)
    await observe(sql, 'CUSIP', APPLE, 'AAPL')
    assert.is((await resolve(sql, 'CUSIP', APPLE)).ticker, 'AAPL')
    assert.is((await resolve(sql, 'CUSIP', makeCusip(2))).status, 'miss')
  }))

test('whoever could look up can go on after each of them', () =>
  withDatabase(async ({ sql, url }) => {
    const role = `analyst_${Math.random().toString(36).slice(2)}`
    await sql`create role ${sql(role)}`
    try {
      await observe(sql, 'CUSIP', APPLE, 'AAPL')
      await sql.begin(async (transaction) => {
        await transaction.unsafe(
          grantScript
            .replaceAll('pgfigi_analyst', role)
            .replaceAll('pgfigi_monitor', `${role}_m`)
            .replaceAll('pgfigi_worker', `${role}_w`),
        )
      })
      for (const { name } of (await committedMigrations(migrationsFolder())).slice(1).reverse()) {
        assert.is(await migrateDown(url), name)
        await sql.begin(async (transaction) => {
          await transaction`set local role ${transaction(role)}`
          assert.is((await resolve(transaction, 'CUSIP', APPLE)).ticker, 'AAPL', name)
          assert.is((await resolve(transaction, 'CUSIP', makeCusip(2))).status, 'miss', name)
          assert.is((await transaction`select from public.mapping_changes('-infinity')`).length, 1, name)
          assert.is((await transaction`select from public.cache_stats()`).length, 1, name)
        })
      }
    } finally {
      const roles = [`${role}_w`, `${role}_m`, role].join(', ')
      await sql.unsafe(`drop owned by ${roles}; drop role ${roles}`)
    }
  }))

test('only the last one is undone; with none left there is nothing to undo', () =>
  withEmptyDatabase(async ({ sql, url }) => {
    assert.is(await migrateDown(url, { folder: await folderOf(first) }), null)
    const options = { folder: await folderOf(first, second) }
    await migrateUp(url, options)
    await sql`insert into ours.more values (1)`
    await sql`insert into graphile_migrate.current (content) values ('select 1;')`
    assert.is(await migrateDown(url, options), '000002-the-second')
    assert.equal(await tables(sql), ['ours.things'])
    assert.equal(await migrationStatus(url, options), {
      applied: ['000001-the-first'],
      pending: ['000002-the-second'],
    })
    assert.is((await sql`select from graphile_migrate.current`).length, 0)
    assert.is(await migrateDown(url, options), '000001-the-first')
    assert.equal(await tables(sql), [])
    assert.is(await migrateDown(url, options), null)
    assert.equal(await migrateUp(url, options), ['000001-the-first', '000002-the-second'])
  }))

/** Undoing fails so, and changes nothing. */
async function refused(
  { sql, url }: TestDatabase,
  options: MigrateDownOptions,
  fault: MigrationError['fault'],
  words: string | RegExp,
): Promise<MigrationError> {
  const state = async () => [await dump(sql), await tables(sql), await migrationStatus(url, options)]
  const before = await state()
  const error = await failure(migrateDown(url, options))
  assert.is(error.fault, fault, error.message)
  assert.match(error.message, words)
  assert.equal(await state(), before)
  return error
}

test('where rows would be lost it refuses and counts them, unless it is forced', () =>
  withDatabase(async (database) => {
    const { sql, url } = database
    await backToTheFirst(url)
    await observe(sql, 'CUSIP', APPLE, 'AAPL')
    for (const n of [2, 3]) await resolve(sql, 'CUSIP', makeCusip(n))
    const error = await refused(database, {}, 'data_would_be_lost', 'public.security_mappings has 1 row,')
    assert.match(error.message, 'figi_private.fetch_requests has 2 rows')
    assert.match(error.message, '--force')
    assert.is((await resolve(sql, 'CUSIP', APPLE)).ticker, 'AAPL')
    await migrateDown(url, { force: true })
    assert.equal(await tables(sql), [])
  }))

test("a user's view, foreign key or column on what is ours stops it, forced or not, and is named", () =>
  withDatabase(async (database) => {
    const { sql, url } = database
    await backToTheFirst(url)
    for (const [create, name, drop] of [
      [
        'create view public.mine as select * from public.current_mappings',
        'view mine depends on view current_mappings',
        'drop view public.mine',
      ],
      [
        `create view public.mine as select (public.resolve_mapping('037833100')).ticker`,
        'view mine depends on function resolve_mapping(text)',
        'drop view public.mine',
      ],
      [
        `create view public.mine as select count(*) from figi_private.fetch_requests`,
        'view mine depends on table figi_private.fetch_requests',
        'drop view public.mine',
      ],
      [
        'create table public.mine (id bigint references public.security_mappings)',
        'constraint mine_id_fkey on table mine depends on table security_mappings',
        'drop table public.mine',
      ],
      [
        'create table public.mine (answer public.resolved_mapping)',
        'column answer of table mine depends on type resolved_mapping',
        'drop table public.mine',
      ],
      [
        'create table figi_private.mine ()',
        'table figi_private.mine depends on schema figi_private',
        'drop table figi_private.mine',
      ],
    ] as const) {
      await sql.unsafe(create)
      const error = await refused(database, { force: true }, 'in_use', name)
      assert.match(error.message, 'Drop that first. Nothing was changed.')
      await sql.unsafe(drop)
    }
  }))

test('an undo that fails half way leaves everything as it was', () =>
  withEmptyDatabase(async (database) => {
    const broken = { ...second, undo: 'drop table ours.more; select 1/0' }
    const options = { folder: await folderOf(first, broken) }
    await migrateUp(database.url, options)
    await refused(database, options, 'failed', 'division by zero')
  }))

test('without an undo file, and on top of a migration that it does not know, it refuses', () =>
  withEmptyDatabase(async (database) => {
    const { undo: _, ...oneWay } = second
    const options = { folder: await folderOf(first, oneWay) }
    await migrateUp(database.url, options)
    await refused(database, options, 'no_undo', 'no undo of 000002-the-second (migrations/undo/000002*.sql)')
    await refused(database, { folder: await folderOf(first) }, 'newer_schema', '000002.sql')
    const theirs = { folder: await folderOf({ ...first, body: 'create schema theirs' }) }
    await refused(database, theirs, 'foreign_schema', 'Another project')
  }))

test('it waits for a session in the way, and gives up after a while with its name', () =>
  withDatabase(async (database) => {
    const { url } = database
    await backToTheFirst(url)
    await using session = await openSession(url)
    await session.sql`set application_name to 'a report'`
    await session.sql`begin`
    await session.sql`select from public.security_mappings limit 1`
    // Long enough for several looks at who is in the way.
    const error = await refused(database, { lockTimeoutMs: 1_500 }, 'busy', `session ${session.pid} (`)
    assert.match(error.message, 'a report, idle in transaction')

    let told = ''
    const logger = {
      debug() {},
      info() {},
      error() {},
      warn: (_: object, words: string) => (told += words),
    } as never
    const undoing = migrateDown(url, { logger })
    while (told === '') await new Promise((done) => setTimeout(done, 20))
    await session.sql`commit`
    assert.ok(await undoing)
    assert.match(told, `Waiting for session ${session.pid}`)
  }))

test('up and down at once take turns', () =>
  withEmptyDatabase(async ({ url }) => {
    const options = { folder: await folderOf(first) }
    await migrateUp(url, options)
    const [down, up] = await Promise.all([migrateDown(url, options), migrateUp(url, options)])
    assert.is(down, '000001-the-first')
    const { applied } = await migrationStatus(url, options)
    assert.equal(applied, up)
  }))

test.run()
