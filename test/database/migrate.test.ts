import { mkdir, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { migrateUp, migrationHistory, migrationStatus, requireMigrated } from '../../src/database/migrate.ts'
import { checkBefore } from '../../src/database/migrate_checks.ts'
import { libpqUrl } from '../../src/database/migrate_connection.ts'
import { migrationsFolder } from '../../src/database/migrations_folder.ts'
import { MigrationError } from '../../src/errors/migration_error.ts'
import { withAdmin, withEmptyDatabase } from '../support/database.ts'
import { type Draft, writeMigrations } from '../support/migrations_maker.ts'

const test = suite('migrations')

const first: Draft = { message: 'the first', body: 'create schema ours; create table ours.things (id int)' }
const second: Draft = { message: 'the second', body: 'alter table ours.things add column name text' }
const broken: Draft = { message: 'a broken one', body: 'create table ours.more (id int); select 1/0' }

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

async function schemas(sql: Sql): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select nspname as name
    from pg_namespace
    where nspname !~ '^(pg_|information_schema)'
    order by nspname collate "C"`
  return rows.map(({ name }) => name)
}

test('migrateUp installs the worker, then applies what is pending, in order; a second one finds nothing to do', () =>
  withEmptyDatabase(async ({ sql, url }) => {
    const one = { folder: await folderOf(first) }
    const both = { folder: await folderOf(first, second) }
    assert.equal(await migrationStatus(url, both), {
      applied: [],
      pending: ['000001-the-first', '000002-the-second'],
    })
    assert.equal(await schemas(sql), ['public'])

    assert.equal(await migrateUp(url, one), ['000001-the-first'])
    assert.equal(await schemas(sql), ['graphile_migrate', 'graphile_worker', 'ours', 'public'])
    assert.equal(await migrationStatus(url, both), {
      applied: ['000001-the-first'],
      pending: ['000002-the-second'],
    })
    assert.equal(await migrateUp(url, both), ['000002-the-second'])
    assert.equal(await migrateUp(url, both), [])

    const history = await migrationHistory(url, both)
    assert.equal(
      history.map(({ name, message }) => ({ name, message })),
      [
        { name: '000001-the-first', message: 'the first' },
        { name: '000002-the-second', message: 'the second' },
      ],
    )
    assert.ok(history.every(({ appliedAt }) => Math.abs(Date.now() - appliedAt.getTime()) < 60_000))
  }))

test('three at once all succeed, and each migration is applied once', () =>
  withEmptyDatabase(async ({ url }) => {
    const options = { folder: await folderOf(first, second) }
    const results = await Promise.all([1, 2, 3].map(() => migrateUp(url, options)))
    assert.equal(results.flat().sort(), ['000001-the-first', '000002-the-second'])
  }))

test('it leaves no session behind that a stopping server would take us down with', () =>
  withEmptyDatabase(async ({ sql, url }) => {
    await migrateUp(url, { folder: await folderOf(first) })
    const sessions = await sql`
      select application_name
      from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and application_name like 'pgfigi migrate%'`
    assert.is(sessions.length, 0)
  }))

test("another project's graphile_migrate schema is refused before anything is changed", () =>
  withEmptyDatabase(async ({ sql, url }) => {
    const theirs = { folder: await folderOf({ message: 'theirs', body: 'create schema theirs' }) }
    await migrateUp(url, theirs)
    await sql`drop schema graphile_worker cascade`
    const options = { folder: await folderOf(first) }
    const error = await failure(migrateUp(url, options))
    assert.is(error.fault, 'foreign_schema')
    assert.match(error.message, 'give pgfigi a database of its own')
    assert.equal(await schemas(sql), ['graphile_migrate', 'public', 'theirs'])
  }))

test('a schema that a newer pgfigi made is refused', () =>
  withEmptyDatabase(async ({ url }) => {
    await migrateUp(url, { folder: await folderOf(first, second) })
    const error = await failure(migrateUp(url, { folder: await folderOf(first) }))
    assert.is(error.fault, 'newer_schema')
    assert.match(error.message, '000002.sql')
    assert.equal(await migrationStatus(url, { folder: await folderOf(first) }), {
      applied: ['000001-the-first', '000002'],
      pending: [],
    })
  }))

test("a newer worker's schema is refused, and does not set the exit status of the process", () =>
  withEmptyDatabase(async ({ sql, url }) => {
    const options = { folder: await folderOf(first) }
    await migrateUp(url, options)
    await sql`insert into graphile_worker.migrations (id, breaking) values (999999, true)`
    const before = process.exitCode
    const error = await failure(migrateUp(url, options))
    assert.is(error.fault, 'newer_schema')
    assert.is(process.exitCode, before)
  }))

test('a migration that fails leaves nothing of itself, and keeps those before it', () =>
  withEmptyDatabase(async ({ sql, url }) => {
    const options = { folder: await folderOf(first, broken) }
    const error = await failure(migrateUp(url, options))
    assert.is(error.fault, 'failed')
    assert.match(error.message, 'division by zero')
    assert.ok(error.cause instanceof Error)
    const [row] =
      await sql`select to_regclass('ours.more') as more, to_regclass('ours.things')::text as things`
    assert.equal({ ...row }, { more: null, things: 'ours.things' })
    assert.equal((await migrationStatus(url, options)).pending, ['000002-a-broken-one'])
  }))

test('what somebody has built on what a migration replaces is named, with what to do', () =>
  withEmptyDatabase(async ({ sql, url }) => {
    const replacing: Draft = { message: 'a replacement', body: 'drop table ours.things' }
    await migrateUp(url, { folder: await folderOf(first) })
    await sql`create view public.report as select * from ours.things`
    const options = { folder: await folderOf(first, replacing) }
    const error = await failure(migrateUp(url, options))
    assert.is(error.fault, 'in_use')
    assert.match(error.message, 'view public.report depends on table ours.things')
    assert.match(error.message, 'Drop it, migrate, and create it again')
    await sql`drop view public.report`
    assert.equal(await migrateUp(url, options), ['000002-a-replacement'])
  }))

test('a role that may not read which migrations are applied is told so', () =>
  withEmptyDatabase(async ({ sql, url }) => {
    const role = `pgfigi_blind_${process.pid}`
    await withAdmin((admin) => admin`create role ${admin(role)} login password 'blind'`)
    try {
      const options = { folder: await folderOf(first) }
      await migrateUp(url, options)
      const blind = Object.assign(new URL(url), { username: role, password: 'blind' }).href
      for (const grant of ['usage on schema graphile_migrate', 'select on graphile_migrate.migrations']) {
        const error = await failure(requireMigrated(blind, options))
        assert.is(error.fault, 'missing_rights')
        assert.match(error.message, 'may not read which migrations are applied')
        assert.match(error.message, 'docs/grants.sql')
        await sql.unsafe(`grant ${grant} to ${role}`)
      }
      await requireMigrated(blind, options)
    } finally {
      await sql.unsafe(`drop owned by ${role} cascade`)
      await withAdmin((admin) => admin`drop role ${admin(role)}`)
    }
  }))

test('a role without the right to create is told what to grant, and nothing is changed', () =>
  withEmptyDatabase(async ({ sql, url }) => {
    const role = `pgfigi_weak_${process.pid}`
    await withAdmin((admin) => admin`create role ${admin(role)} login password 'weak'`)
    try {
      const weak = new URL(url)
      weak.username = role
      weak.password = 'weak'
      const options = { folder: await folderOf(first) }
      const error = await failure(migrateUp(weak.href, options))
      assert.is(error.fault, 'missing_rights')
      assert.match(error.message, `grant create on database "${weak.pathname.slice(1)}" to "${role}"`)
      assert.equal(await schemas(sql), ['public'])

      await sql.unsafe(`grant create on database "${weak.pathname.slice(1)}" to ${role}`)
      await sql.unsafe(`grant usage, create on schema public to ${role}`)
      assert.equal(await migrateUp(weak.href, options), ['000001-the-first'])
    } finally {
      await sql.unsafe(`drop owned by ${role} cascade`)
      await withAdmin((admin) => admin`drop role ${admin(role)}`)
    }
  }))

test('a read-only server is refused', () =>
  withEmptyDatabase(async ({ sql, url }) => {
    const database = new URL(url).pathname.slice(1)
    await sql.unsafe(`alter database "${database}" set default_transaction_read_only = on`)
    const error = await failure(migrateUp(url, { folder: await folderOf(first) }))
    assert.is(error.fault, 'read_only')
  }))

test('without a connection it says where it tried, and never the password', async () => {
  for (const url of [
    'postgres://somebody:secret@127.0.0.1:1/nowhere',
    'postgres://somebody:secret@no-such-host.invalid/nowhere',
  ]) {
    const error = await failure(migrateUp(url))
    assert.is(error.fault, 'no_connection')
    assert.match(error.message, '/nowhere')
    assert.match(error.message, 'check DATABASE_URL')
    assert.not.match(error.message, 'secret')
  }
})

test('a wrong password and a missing database count as no connection', () =>
  withEmptyDatabase(async ({ url }) => {
    const wrong = new URL(url)
    wrong.password = 'guess'
    assert.is((await failure(migrationStatus(wrong.href))).fault, 'no_connection')
    const missing = new URL(url)
    missing.pathname = '/pgfigi_no_such_database'
    assert.is((await failure(migrationStatus(missing.href))).fault, 'no_connection')
  }))

test('a server older than 14 is refused', async () => {
  const answers = [[{ major: 13, version: '13.22' }]]
  const sql = (() => Promise.resolve(answers.shift())) as unknown as Sql
  const error = await failure(checkBefore(sql, []))
  assert.is(error.fault, 'old_server')
  assert.match(error.message, 'PostgreSQL 13.22')
})

test('the URL that the libraries get names user and database, and means by sslmode what libpq means', () => {
  const known = { user: 'me', database: 'mine', session: 's' }
  assert.is(libpqUrl('postgres://localhost', known), 'postgres://me@localhost/mine?application_name=s')
  assert.is(
    libpqUrl('postgres://u:p%40@db.example:6432/d?sslmode=require', known),
    'postgres://u:p%40@db.example:6432/d?sslmode=require&uselibpqcompat=true&application_name=s',
  )
  const pinned = new URL(libpqUrl('postgres://localhost', { ...known, pinned: true }))
  assert.is(
    pinned.searchParams.get('options'),
    '-c search_path=pg_catalog,pg_temp -c standard_conforming_strings=on',
  )
})

test('the folder of migrations is found from a checkout and from a build', async () => {
  assert.match(migrationsFolder(), /migrations$/)
  const root = await mkdtemp(join(tmpdir(), 'package-'))
  const built = join(root, 'dist', 'src', 'database')
  await mkdir(built, { recursive: true })
  await mkdir(join(root, 'migrations', 'committed'), { recursive: true })
  assert.is(migrationsFolder(built), join(root, 'migrations'))
})

test.run()
