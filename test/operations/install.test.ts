import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres, { type Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { dumpSchema } from '../../scripts/schema_dump.ts'
import { migrateUp } from '../../src/database/migrate.ts'
import { migrateDown } from '../../src/database/migrate_down.ts'
import { spawnCommand } from '../support/child.ts'
import { packageRoot } from '../support/cluster.ts'
import { withAdmin, withEmptyDatabase } from '../support/database.ts'
import { failureOf, resolve } from '../support/mappings.ts'
import { knownSecurities, withSimulator } from '../support/openfigi_simulator.ts'
import { until } from '../support/until.ts'
import { blocksOf, pagesOf } from './pages.ts'

const test = suite('installing beside tables of one’s own, and leaving')

const grants = await readFile(join(packageRoot, 'docs', 'grants.sql'), 'utf8')

/** Roles are the whole server's, and other tests make them, too. */
const ofOurOwn = (text: string) =>
  text.replaceAll(/\b(pgfigi_(owner|analyst|monitor|worker)|figi_(worker|page))\b/g, `$1_${process.pid}`)

/** The blocks of a page that have these words. */
async function blocks(name: string, language: string, words: string): Promise<string[]> {
  const page = (await pagesOf('operations')).find(({ path }) => path.endsWith(`${name}.md`))
  const found = page ? blocksOf(page, language).filter((block) => block.includes(words)) : []
  assert.is.not(found.length, 0, `${name}.md has no block with ${words}`)
  return found.map(ofOurOwn)
}

/** What leave.md has psql do, in its order. */
async function commandsOfLeaving(): Promise<string[]> {
  const sections = await blocks('leave', 'sh', 'psql ')
  return sections.flatMap((block) => [...block.matchAll(/ -c "([^"]+)"/g)].map(([, sql = '']) => sql))
}

async function asRole<T>(url: string, role: string, work: (sql: Sql, url: string) => Promise<T>): Promise<T> {
  const mine = Object.assign(new URL(url), { username: ofOurOwn(role), password: 'change me' })
  const sql = postgres(mine.href, { max: 1, onnotice: () => {} })
  return work(sql, mine.href).finally(() => sql.end({ timeout: 5 }))
}

test('a plain owner installs it by the page, and taking it out leaves what was there', () =>
  withEmptyDatabase(async ({ sql, url }) => {
    await sql`create table holdings (cusip text primary key, shares numeric)`
    await sql`insert into holdings values ('037833100', 10)`
    await sql`create view large_holdings as select * from holdings where shares > 5`
    const one = await sql.reserve()
    const before = await dumpSchema(one)
    const [free] = await blocks('install', 'sql', 'select relname')
    assert.is((await one.unsafe(free ?? '')).length, 0)
    one.release()
    try {
      for (const block of await blocks('install', 'sql', 'pgfigi_owner')) await sql.unsafe(block)
      await sql`alter role ${sql(ofOurOwn('pgfigi_owner'))} createrole`
      await asRole(url, 'pgfigi_owner', async (owner, ownUrl) => {
        await migrateUp(ownUrl)
        await owner.unsafe(ofOurOwn(grants))
        for (const block of await blocks('install', 'sql', 'role figi_worker')) await owner.unsafe(block)
      })
      await asRole(url, 'figi_worker', async (worker) => {
        assert.is((await resolve(worker, 'CUSIP', '037833100')).status, 'miss')
        const checks =
          await worker`select name from public.health_checks() where name = 'laws' and status = 'ok'`
        assert.is(checks.length, 1)
        const failure = await failureOf(worker`select from public.security_mappings`)
        assert.match(failure?.message ?? '', 'permission denied')
      })
      await asRole(url, 'figi_worker', (sql, roleUrl) => fetchesByWorker(sql, roleUrl))

      for (const role of ['figi_worker', 'figi_page']) await sql`drop role ${sql(ofOurOwn(role))}`
      const [libraries = '', ...roles] = await commandsOfLeaving()
      await asRole(url, 'pgfigi_owner', async (owner, ownUrl) => {
        while (await migrateDown(ownUrl, { force: true }));
        await owner.unsafe(libraries)
      })
      for (const command of roles) await sql.unsafe(command)
      const after = await sql.reserve()
      const text = await dumpSchema(after)
      after.release()
      const own = ofOurOwn('pgfigi_owner')
      const lines = text.split('\n').filter((line) => !line.endsWith(`on schema public to ${own};`))
      assert.is(lines.join('\n'), before)
      assert.equal(
        [...(await sql`select * from public.large_holdings`)],
        [{ cusip: '037833100', shares: '10' }],
      )
    } finally {
      await dropRoles(sql)
    }
  }))

/** The worker's process, as its unit starts it, has an answer for what was asked. */
async function fetchesByWorker(sql: Sql, url: string): Promise<void> {
  await withSimulator({ limit: { requests: 1000, windowMs: 1000 } }, async (simulator) => {
    await using worker = spawnCommand(process.execPath, [join(packageRoot, 'bin', 'pgfigi.js'), 'worker'], {
      DATABASE_URL: url,
      OPENFIGI_API_KEY: 'key',
      OPENFIGI_API_URL: simulator.url,
      OPENFIGI_AUTO_REFRESH_STALE: 'true',
    })
    await until(
      'the worker has fetched it',
      async () => (await resolve(sql, 'CUSIP', knownSecurities.apple.key)).status === 'hit',
    ).catch((error) => {
      throw new Error(`${error.message}\n${worker.output()}`)
    })
    assert.is(await worker.end('SIGTERM'), 0, worker.output())
  })
}

async function dropRoles(sql: Sql): Promise<void> {
  for (const name of [
    'figi_worker',
    'figi_page',
    'pgfigi_worker',
    'pgfigi_monitor',
    'pgfigi_analyst',
    'pgfigi_owner',
  ]) {
    const role = ofOurOwn(name)
    const [found] = await sql`select 1 from pg_roles where rolname = ${role}`
    if (!found) continue
    await sql`drop owned by ${sql(role)} cascade`
    await withAdmin((admin) => admin`drop role ${admin(role)}`)
  }
}

test.run()
