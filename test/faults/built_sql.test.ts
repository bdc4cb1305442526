// biome-ignore-all lint/suspicious/noTemplateCurlyInString: programs, as texts
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { builtSql } from '../../scripts/built_sql.ts'
import { packageRoot } from '../support/cluster.ts'
import { withRollback } from '../support/database.ts'
import { figure } from '../support/figure.ts'

const test = suite('SQL and commands that are built from strings')

/** In the order of the rules; each must be seen. */
const violations = [
  'await sql.unsafe(`select ${name}`)',
  'await sql?.unsafe(text)',
  "await sql['unsafe'](text)",
  'await sql[`unsafe`](text)',
  'const send = sql.unsafe; await send(text)',
  'run(transaction.unsafe)',
  'const { unsafe } = sql',
  'const { unsafe: harmless } = sql',
  "const { 'unsafe': harmless } = sql",
  'function ask({ unsafe }) { return unsafe(text) }',
  'await sql[method](text)',
  "await sql['un' + 'safe'](text)",
  'await sql.call(null, strings)',
  'await sql`select * from ${sql(table)}`',
  'await sql(Object.assign([text], { raw: [text] }))',
  'await sql.file(path)',
  'await client.query(text)',
  'await client.query(`select ${value}`)',
  "await client.query('select ' + value)",
  'await helpers.query({ text })',
  'database.exec(`begin ${mode}`)',
  'await helpers.addJob(payload.task)',
  'await sql`select count(*) from public.mapping_periods`',
  "await sql`select 'x', format('%s', ${value})`",
  "import pg from 'pg'",
  "import { exec } from 'node:child_process'",
  "import { execSync as run } from 'child_process'",
  "import * as processes from 'node:child_process'",
  'spawn(file, args, { shell: true })',
  "spawn(file, args, { 'shell': isWindows })",
  'eval(text)',
  'new Function(text)',
  'this is not a program',
]

const harmless = [
  'await sql`select * from public.resolve_mapping(${type}, ${value})`',
  'await sql`select coalesce(${a}, ${b}), pg_catalog.count(*) from unnest(${c}::text[], ${d}::text[])`',
  "await sql`select 'count(*)'`",
  "await client.query('select 1')",
  'await replica.query((sql) => resolveMany(sql, lookups))',
  'await this.#query(promise)',
  'await database[Symbol.asyncDispose]()',
  "import { execFile, spawn } from 'node:child_process'",
  'expression.exec(text)',
  'spawn(file, args, { shell: false })',
]

test('the check sees each way', () => {
  for (const source of violations) {
    assert.is.not(builtSql('src/planted.ts', source).length, 0, source)
  }
  for (const source of harmless) assert.equal(builtSql('src/planted.ts', source), [], source)
  figure(`${violations.length} ways are seen`)
})

test('there is none in the project', async () => {
  let modules = 0
  for (const folder of ['src', 'tasks', 'scripts']) {
    for (const name of await readdir(join(packageRoot, folder), { recursive: true })) {
      if (!name.endsWith('.ts')) continue
      modules += 1
      assert.equal(builtSql(`${folder}/${name}`, await readFile(join(packageRoot, folder, name), 'utf8')), [])
    }
  }
  assert.ok(modules > 200)
})

test('no function in the database runs a text as SQL', async () => {
  await withRollback(async (sql) => {
    const found = await sql`
      select p.oid::regprocedure::text as name
      from pg_proc p
      where p.pronamespace in ('public'::regnamespace, 'figi_private'::regnamespace)
        -- Comments, and the name of a right, run nothing.
        and regexp_replace(p.prosrc, '--[^\n]*|''execute''', '', 'g') ~* '\\mexecute\\M|\\mquery_to_xml|\\mdblink'`
    assert.equal([...found], [])
  })
})

test.run()
