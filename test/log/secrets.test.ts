import { readdir, readFile } from 'node:fs/promises'
import type { Sql } from 'postgres'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Ended, type RunOptions, run, start, withInstallation } from '../cli/pgfigi.ts'
import { makeCusip } from '../support/identifiers_maker.ts'

const test = suite('the key and the passwords of databases')

const key = 'canary-key-5e1f-b00c'
const password = 'canary-password-7a'
const wrong = 'canary-wrong-3d'
const canary = /canary-(key|password|wrong)/

/** Every text in the tables of the database, the system's aside. */
async function dump(sql: Sql): Promise<string> {
  const tables = await sql<{ schema: string; name: string }[]>`
    select schemaname as schema, tablename as name
    from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema')`
  const texts = await Promise.all(
    tables.map(async ({ schema, name }) => {
      const rows = await sql<{ row: string }[]>`select t::text as row from ${sql(schema)}.${sql(name)} t`
      return rows.map(({ row }) => row).join('\n')
    }),
  )
  return texts.join('\n')
}

/** A role that may do all, with the password. */
async function withRole(sql: Sql, work: (name: string) => Promise<void>): Promise<void> {
  const name = `pgfigi_canary_${process.pid}`
  await sql`create role ${sql(name)} superuser login`
  try {
    await sql.begin(async (one) => {
      await one`select set_config('test.role', ${name}, true), set_config('test.password', ${password}, true)`
      await one`
        do $$
        begin
          execute format('alter role %I password %L', current_setting('test.role'), current_setting('test.password'));
        end
        $$`
    })
    await work(name)
  } finally {
    await sql`drop role ${sql(name)}`
  }
}

async function commandLines(): Promise<string> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return lines.join('\n')
}

test('show in no output, no log line and nowhere in the database, whatever goes wrong', () =>
  withInstallation(async ({ sql, url, openfigi, env }) => {
    await withRole(sql, async (role) => {
      const as = (secret: string, port?: string) => {
        const named = new URL(url)
        named.username = role
        named.password = secret
        if (port) named.port = port
        return named.href
      }
      const good = { ...env, OPENFIGI_API_KEY: key, DATABASE_URL: as(password), LOG_LEVEL: 'debug' }
      const echo = `No ${key} ${JSON.stringify({ 'x-openfigi-apikey': key })} ${as(password)}`
      const [ok = '', refused = '', failing = '', page = '', bad = ''] = [1, 2, 3, 4, 5].map(makeCusip)
      openfigi.fail({ status: 401, body: echo, idValues: [refused], times: 1 })
      openfigi.fail({ status: 500, body: echo, idValues: [failing], times: 2 })
      openfigi.fail({ kind: 'html', body: echo, idValues: [page], times: 2 })
      openfigi.fail({ kind: 'jobErrors', message: echo, idValues: [bad], times: 1 })
      const away = { ...good, DATABASE_URL: as(password, '1') }
      const denied = { ...good, DATABASE_URL: as(wrong) }
      const runs: [string[], RunOptions][] = [
        [['resolve', ok], { env: good }],
        [['resolve', refused], { env: good }],
        [['resolve', failing, page, bad], { env: good }],
        [['enrich', '-', '--json'], { env: good, input: `cusip\n${ok}\n` }],
        [['import', '-', '--json'], { env: good, input: JSON.stringify({ [ok]: 'AAA' }) }],
        [['health', '--json'], { env: good }],
        [['resolve', ok], { env: away }],
        [['worker'], { env: away }],
        [['stats'], { env: { ...away, DATABASE_READ_URL: as(wrong, '1') } }],
        [['resolve', ok], { env: denied }],
        [['migrate', 'up'], { env: denied }],
        [
          ['resolve', ok],
          { env: { ...good, OPENFIGI_API_URL: 'http://127.0.0.1:1', DATABASE_READ_URL: as(wrong, '1') } },
        ],
        [['stats'], { env: { ...good, DATABASE_URL: `postgres://a:${password}@ho st:x/d` } }],
        [['stats'], { env: { ...good, OPENFIGI_API_KEY: `${key} with a blank` } }],
      ]
      const worker = start(['worker'], { env: good })
      await worker.printed('Ready.')
      const ended: Ended[] = []
      const left = [...runs]
      const lane = async () => {
        for (let one = left.shift(); one; one = left.shift()) ended.push(await run(...one))
      }
      await Promise.all([lane(), lane(), lane()])
      await sql`select from public.resolve_mappings('CUSIP', ${[7, 8].map(makeCusip)})`
      await worker.until('the worker has fetched', async () => {
        const [row] = await sql`select from public.security_mappings where identifier_value = ${makeCusip(8)}`
        return row !== undefined
      })
      const processes = await commandLines()
      worker.child.kill('SIGTERM')
      ended.push(await worker.ended)

      const said = ended.map(({ stdout, stderr }) => stdout + stderr).join('\n')
      assert.match(said, 'HTTP 401')
      assert.match(said, 'Ready.')
      assert.ok(ended.filter(({ code }) => code !== 0).length >= 8)
      assert.not.match(said, canary)
      assert.match(processes, 'main.ts')
      assert.not.match(processes, canary)
      const kept = await dump(sql)
      assert.match(kept, 'key-')
      assert.not.match(kept, canary)
    })
  }))

test.run()
