// takes minutes: disks fill up under a dozen commands, one after the other
import { openSync } from 'node:fs'
import { chown, mkdir, readdir, readFile, stat, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OpenFIGIClient } from '../../src/index.ts'
import { type Installation, run, start, withInstallation } from '../cli/pgfigi.ts'
import { withFolder } from '../import/reading.ts'
import { amount, isAtLength } from '../support/at_length.ts'
import { withAdmin, withDatabase } from '../support/database.ts'
import { figure } from '../support/figure.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { recordingLogger } from '../support/recording_logger.ts'
import { type SmallDisk, withSmallDisk } from '../support/small_disk.ts'
import { until } from '../support/until.ts'

const why = 'a small disk (only root on Linux may mount one)'

/** A database that lies on the small disk, with everything in it. */
async function withDatabaseOn(
  disk: SmallDisk,
  work: (installation: Installation) => Promise<void>,
): Promise<void> {
  const tablespace = `pgfigi_test_small_${process.pid}`
  const folder = join(disk.outside, 'tablespace')
  await mkdir(folder, { mode: 0o700 })
  const [server] = await withAdmin(
    (sql) => sql<[{ folder: string }]>`select current_setting('data_directory') as folder`,
  )
  const { uid, gid } = await stat(server.folder)
  await chown(folder, uid, gid)
  try {
    await withInstallation(async (installation) => {
      const name = new URL(installation.url).pathname.slice(1)
      await withAdmin(async (sql) => {
        await sql.unsafe(`create tablespace ${tablespace} location '${folder}'`)
        await sql`alter database ${sql(name)} set tablespace ${sql(tablespace)}`
      })
      await work(installation)
    })
  } finally {
    await withAdmin((sql) => sql`drop tablespace if exists ${sql(tablespace)}`)
  }
}

const wholeIn = async ({ sql }: Pick<Installation, 'sql'>) => sql`
  select identifier_type, identifier_value, ticker, start_date, end_date, last_fetched_date, source
  from public.security_mappings
  order by identifier_type, identifier_value, start_date`

test('the disk of the database: imports stop and go on, workers, pages and clients wait and go on by themselves', async () => {
  const cusips = amount(15_000, 100_000)
  const isDone = await withSmallDisk(100, (disk) =>
    withFolder((folder) =>
      withDatabaseOn(disk, (installation) =>
        withDatabase(async (clean) => {
          const { env, sql, url } = installation
          const table = join(folder, 'table.csv')
          const lines = Array.from(
            { length: cusips },
            (_, n) => `${makeCusip(n)},T${n % 7},2020-01-01,2021-01-01`,
          )
          await writeFile(table, `cusip,ticker,start,end\n${lines.join('\n')}\n`)
          await sql`select from public.upsert_mapping('CUSIP', '037833100', 'AAPL')`

          await sql`create table public.ballast (content text)`
          const { blocks, bfree, bsize } = await statfs(disk.outside)
          disk.resize(Math.ceil(((blocks - bfree) * bsize) / 1_000_000) + amount(2, 20))

          await using client = new OpenFIGIClient({
            dbUrl: url,
            apiUrl: env.OPENFIGI_API_URL ?? '',
            apiKey: env.OPENFIGI_API_KEY ?? '',
            logger: recordingLogger(),
          })
          const worker = start(['worker'], { env })
          const page = start(['serve', '--port', '0'], { env })
          using stack = new DisposableStack()
          for (const { child } of [worker, page]) stack.defer(() => child.kill('SIGKILL'))
          const [, address] = await Promise.all([
            worker.printed('Ready.'),
            page.firstLine(/^Page {2}(.*)$/),
            client.resolve('037833100'),
          ])

          const refused = await run(['import', table], { env })
          assert.equal([refused.code, refused.stdout], [1, ''])
          assert.match(refused.stderr, /^Stopped: [\d,]+ records? so far/)
          assert.match(
            refused.stderr,
            /\nerror: The disk of the database is full: free space, then run the same again\./,
          )
          await fillUp(installation)
          assert.is((await client.resolve('037833100')).status, 'hit')
          const meanwhile = await client.resolve('594918104').catch((error) => error)
          assert.ok(
            meanwhile.ticker === 'MSFT' ||
              /disk of the database is full/.test(meanwhile.message ?? meanwhile.error),
            meanwhile,
          )
          assert.is((await fetch(new URL('/healthz', address))).status, 200)

          disk.resize(400)
          const mendedAt = performance.now()
          await sql`drop table public.ballast`
          const again = await run(['import', table, '--json'], { env })
          assert.is(again.code, 0, again.stderr)
          const undisturbed = await run(['import', table], { env: { ...env, DATABASE_URL: clean.url } })
          assert.is(undisturbed.code, 0)
          await sql`delete from public.security_mappings where source = 'openfigi'`
          assert.equal(await wholeIn(installation), await wholeIn(clean))

          await sql`select from public.resolve_mapping('CUSIP', '459200101')`
          await until('the worker has fetched it', async () => {
            const rows = await sql`select from public.current_mappings where identifier_value = '459200101'`
            return rows.length === 1
          })
          assert.is((await client.resolve('594918104')).ticker, 'MSFT')
          const health = await fetch(new URL('/api/v1/health', address))
          assert.is(health.status, 200)
          figure(
            `all went on ${((performance.now() - mendedAt) / 1000).toFixed(0)} s after there was room, the import included`,
          )
          for (const { child, ended } of [worker, page]) {
            child.kill('SIGTERM')
            assert.is((await ended).code, 0)
          }
        }),
      ),
    ),
  )
  if (!isDone) console.log(`SKIPPED: ${why}`)
})

/** Until nothing can be written any more. */
async function fillUp({ sql }: Installation): Promise<void> {
  for (const size of [2_000_000, 200_000, 7_000]) {
    for (;;) {
      try {
        await sql`
          insert into public.ballast
          select md5(random()::text) from generate_series(1, ${size}::int / 64)`
      } catch {
        break
      }
    }
  }
}

test('the disk of the output: one sentence, nothing left of it, and the same bytes once there is room', async () => {
  const isDone = await withSmallDisk(1, (disk) =>
    withFolder((folder) =>
      withInstallation(async ({ env, sql }) => {
        const cusips = Array.from({ length: 20_000 }, (_, n) => makeCusip(n))
        await sql`
          select count(*) from public.upsert_mappings(
            array(select 'CUSIP' from unnest(${cusips}::text[])), ${cusips}::text[],
            array(select 'TICKER' from unnest(${cusips}::text[])))`
        const holdings = join(folder, 'holdings.csv')
        await writeFile(holdings, `cusip\n${cusips.join('\n')}\n`)
        const bad = join(folder, 'bad.csv')
        await writeFile(
          bad,
          `cusip,ticker\n037833100,AAPL\n${cusips.map((cusip) => `${cusip.slice(0, 8)}X,A\n`).join('')}`,
        )
        const place = join(disk.outside, 'place')
        await mkdir(place)
        await writeFile(join(disk.outside, 'rest'), Buffer.alloc(800_000))
        const full = join(place, 'out')
        const calls: Record<string, string[]> = {
          export: ['export', '-o', full],
          enrich: ['enrich', '--no-fetch', holdings, '-o', full],
        }
        for (const [name, args] of Object.entries(calls)) {
          const { code, stdout, stderr } = await run(args, { env })
          assert.equal([code, stdout], [1, ''], name)
          assert.match(stderr, `error: ${full} cannot be written: the disk is full. Nothing is left of it.`)
          assert.equal(await readdir(place), [], name)
        }
        const rejects = await run(['import', bad, '--rejects', full], { env })
        assert.is(rejects.code, 0)
        assert.match(
          rejects.stderr,
          /what was rejected cannot be written: the disk is full\. The first reasons:\n {2}\S/,
        )
        assert.equal(await readdir(place), [])

        const toFull = {
          resolve: ['resolve', '--file', holdings],
          enrich: ['enrich', '--no-fetch', holdings],
          export: ['export'],
        }
        for (const [name, args] of Object.entries(toFull).slice(0, amount(1, 3))) {
          const { child, ended } = start(args, { env, stdout: openSync('/dev/full', 'w') })
          child.stdin.end()
          const { code, stderr } = await ended
          assert.is(code, 1, name)
          assert.match(stderr, /^error: The output cannot be written: ENOSPC/m, name)
          assert.not.match(stderr, /^\s+at /m)
        }

        disk.resize(50)
        const packed = `${full}.gz`
        await run(['export', '-o', packed], { env })
        const [plain] = await Promise.all([run(['export'], { env })])
        assert.is(gunzipSync(await readFile(packed)).toString(), plain.stdout)
      }),
    ),
  )
  if (!isDone) console.log(`SKIPPED: ${why}`)
})

test('a reader that has seen enough ends resolve and enrich without a word', () =>
  withFolder((folder) =>
    withInstallation(async ({ env }) => {
      const holdings = join(folder, 'holdings.csv')
      const cusips = Array.from({ length: amount(8_000, 30_000) }, (_, n) => makeCusip(n))
      await writeFile(holdings, `cusip\n${cusips.join('\n')}\n`)
      const calls = [
        ['resolve', '--no-wait', '--json', '--file', holdings],
        ['enrich', '--no-fetch', holdings],
      ]
      for (const args of calls.slice(0, amount(1, 2))) {
        const { child, ended } = start(args, { env })
        child.stdin.end()
        child.stdout.once('data', () => child.stdout.destroy())
        const { code, stderr } = await ended
        assert.equal([code, stderr], [0, ''], args[0])
      }
    }),
  ))

test('the disk of PGFIGI_HOME: one sentence, nothing left of it, and a database once there is room', async () => {
  if (!isAtLength) return
  const isDone = await withSmallDisk(20, async (disk) => {
    const env = { PGFIGI_HOME: join(disk.folder, 'home') }
    const { inside } = disk
    const refused = await run(['stats'], { env, inside })
    assert.equal([refused.code, refused.stdout], [1, ''])
    assert.match(
      refused.stderr,
      /^error: The disk of .* is full, and a database takes 60 MB at least: free space/,
    )
    assert.equal(await readdir(join(disk.outside, 'home')), ['lock'])
    disk.resize(300)
    const { code, stderr } = await run(['stats'], { env, inside })
    assert.is(code, 0, stderr)
  })
  if (!isDone) console.log(`SKIPPED: ${why}`)
})

test.run()
