import { cp, mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres, { type Sql } from 'postgres'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { committedMigrations, migrationsFolder } from '../../src/database/migrations_folder.ts'
import { clusterUrl, databaseUrl, packageRoot } from '../support/cluster.ts'
import { dropDatabase, withAdmin } from '../support/template.ts'
import { jsonLines, run } from './pgfigi.ts'

async function withEmptyDatabase(
  work: (sql: Sql, env: Record<string, string>) => Promise<void>,
): Promise<void> {
  const name = `pgfigi_clone_${process.pid}_empty`
  await withAdmin((sql) => sql`create database ${sql(name)} template template0`)
  const url = databaseUrl(await clusterUrl(), name)
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    await work(sql, { DATABASE_URL: url })
  } finally {
    await sql.end({ timeout: 5 })
    await dropDatabase(name)
  }
}

/** A checkout of its own, whose migrations may be written. */
async function makeCheckout(): Promise<{ main: string; migrations: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'checkout-'))
  for (const name of ['src', 'package.json'])
    await cp(join(packageRoot, name), join(folder, name), { recursive: true })
  await symlink(join(packageRoot, 'node_modules'), join(folder, 'node_modules'))
  const migrations = join(folder, 'migrations')
  await mkdir(join(migrations, 'committed'), { recursive: true })
  return { main: join(folder, 'src', 'cli', 'main.ts'), migrations }
}

test('up brings a database with other tables in it up to date; status and history tell', () =>
  withEmptyDatabase(async (sql, env) => {
    const names = (await committedMigrations(migrationsFolder())).map(({ name }) => name)
    await sql`create table orders (id int primary key)`
    await sql`insert into orders values (1)`

    const before = await run(['migrate', 'status', '--json'], { env })
    assert.is(before.code, 0)
    assert.equal(JSON.parse(before.stdout), { applied: [], pending: names })
    const check = await run(['migrate', 'status', '--check'], { env })
    assert.equal([check.code, check.stdout], [1, names.map((name) => `pending\t${name}\n`).join('')])

    const up = await run(['migrate', 'up'], { env })
    assert.equal([up.code, up.stdout], [0, names.map((name) => `${name}\n`).join('')])
    const after = await run(['migrate', 'status', '--json', '--check'], { env })
    assert.is(after.code, 0)
    assert.equal(JSON.parse(after.stdout), { applied: names, pending: [] })
    const again = await run(['migrate', 'up'], { env })
    assert.equal([again.code, again.stdout, again.stderr], [0, '', 'The schema is up to date.\n'])

    const history = jsonLines((await run(['migrate', 'history', '--json'], { env })).stdout)
    assert.equal(
      history.map((row) => row.name),
      names,
    )
    assert.equal(Object.keys(history[0] ?? {}), ['name', 'message', 'applied_at'])
    assert.is((await sql`select * from orders`).length, 1)
    assert.is((await run(['stats'], { env })).code, 0)
  }))

test('down undoes the last one without asking, refuses to lose rows, and says so where there is nothing to undo', () =>
  withEmptyDatabase(async (sql, env) => {
    const names = (await committedMigrations(migrationsFolder())).map(({ name }) => name)
    const [first, last] = [names[0], names.at(-1)]
    assert.is((await run(['migrate', 'up'], { env })).code, 0)
    for (const name of names.slice(1).reverse()) {
      const undone = await run(['migrate', 'down'], { env })
      assert.equal([undone.code, undone.stdout], [0, `${name}\n`])
    }
    await sql`select from upsert_mapping('CUSIP', '037833100', 'AAPL')`
    const refused = await run(['migrate', 'down'], { env })
    assert.equal([refused.code, refused.stdout], [1, ''])
    assert.match(refused.stderr, 'public.security_mappings has 1 row')
    assert.match(refused.stderr, '--force')

    const forced = await run(['migrate', 'down', '--force'], { env })
    assert.equal([forced.code, forced.stdout], [0, `${first}\n`])
    const again = await run(['migrate', 'down', '--json'], { env })
    assert.equal([again.code, again.stdout], [0, '{"undone":null}\n'])
    assert.match(again.stderr, 'there is nothing to undo')
    assert.is((await run(['migrate', 'up'], { env })).code, 0)
    const json = await run(['migrate', 'down', '--json'], { env })
    assert.equal([json.code, JSON.parse(json.stdout)], [0, { undone: last }])
  }))

test('new begins a migration in a checkout, and leaves alone one that has begun', async () => {
  const { main, migrations } = await makeCheckout()
  const args = ['migrate', 'new', 'mappings', 'know', 'their currency']
  const outside = await run(args, { main })
  assert.is(outside.code, 1)
  assert.match(outside.stderr, 'in a checkout')

  await mkdir(join(migrations, 'fixtures'))
  const current = join(migrations, 'current.sql')
  const fresh = await run(args, { main })
  assert.equal([fresh.code, fresh.stdout], [0, `${current}\n`])
  const written = await readFile(current, 'utf8')
  assert.is(written, '--! Message: mappings know their currency\n\n-- Enter migration here\n')
  assert.is((await run(args, { main })).code, 0)

  for (const begun of ['select 1;\n', '--!include functions/is_fresh.sql\n']) {
    await writeFile(current, begun)
    const refused = await run(args, { main })
    assert.is(refused.code, 1)
    assert.match(refused.stderr, 'holds a migration already')
    assert.is(await readFile(current, 'utf8'), begun)
  }
})

test.run()
