import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import postgres, { type Sql } from 'postgres'
import { copyOut } from '../../../src/database/copy_out.ts'
import { cleanEnvironment } from '../../support/clean_environment.ts'
import { databaseUrl, packageRoot } from '../../support/cluster.ts'
import { cloneDatabase, dropDatabase } from '../../support/template.ts'
import { afterMeasurement, interruption, temporaryFolder } from '../clean_up.ts'
import type { Comparison, Measurement } from '../harness.ts'
import { wallTime } from '../statement.ts'

const most = 1_000_000
const legacyEntries = 7745
const memoryMiB = 300

/** The commands import and export, as processes, against COPY of the same rows from and to files on this session. */
export const files: Measurement = {
  name: 'files',
  isDefault: false,
  async comparisons({ sql, url, size }, log) {
    const rows = Math.min(most, size.identifiers)
    const folder = temporaryFolder('bench-files')
    const name = await cloneDatabase()
    afterMeasurement(() => dropDatabase(name))
    const own = postgres(databaseUrl(url, name), { max: 1, idle_timeout: 0, onnotice: () => {} })
    afterMeasurement(() => own.end({ timeout: 5 }))
    const file = (path: string) => join(folder, path)
    await writeInputs(sql, rows, file)
    log(`${rows} rows to import are written`)
    const peaks: number[] = []
    const pgfigi = async (...args: string[]) => {
      const { ms, peakMiB } = await command(databaseUrl(url, name), args)
      peaks.push(peakMiB)
      return ms
    }
    const emptied = async () => {
      await own`select public.purge_cache()`
      await own`checkpoint`
    }
    const importOf = (title: string, path: string, copy: () => Promise<unknown>, flags: string[] = []) =>
      ({
        title,
        kind: 'speed',
        target: 0.5,
        warmUp: false,
        async baseline() {
          await emptied()
          return await wallTime(copy)
        },
        async ours() {
          await emptied()
          return await pgfigi('import', file(path), '--json', ...flags)
        },
      }) satisfies Comparison

    return [
      importOf(`import of ${rows} rows of CSV against COPY into the same table`, 'rows.csv', () =>
        copyRows(own, file('rows.txt')),
      ),
      importOf(`import of ${rows} entries of JSON, likewise`, 'cache.json', () =>
        copyRows(own, file('cache.txt')),
      ),
      {
        title: `export of ${rows} rows as CSV against COPY of the same rows to a file`,
        kind: 'speed',
        target: 0.5,
        warmUp: false,
        baseline: () => wallTime(() => copyTo(own, file('copied.csv'))),
        ours: () => pgfigi('export', '--history', '--output', file('exported.csv')),
      },
      {
        title: `export of these rows and their sightings as a dump against COPY of both tables`,
        kind: 'speed',
        target: 0.5,
        warmUp: false,
        baseline: () =>
          wallTime(async () => {
            await copyTo(own, file('whole.csv'))
            await pipeline(
              copyOut(own`copy figi_private.sightings to stdout (format csv)`),
              createWriteStream(file('sightings.csv')),
            )
          }),
        ours: () => pgfigi('export', '--format', 'dump', '--output', file('all.dump')),
      },
      importOf('import of that dump against COPY into both tables', 'all.dump', async () => {
        await copyFrom(own`copy public.security_mappings from stdin (format csv)`, file('whole.csv'))
        await copyFrom(own`copy figi_private.sightings from stdin (format csv)`, file('sightings.csv'))
      }),
      {
        title: `import of a cache of ${legacyEntries} entries, start and end of the process included, of 2 s`,
        kind: 'time',
        target: 1,
        baseline: async () => 2000,
        ours: async () => {
          await emptied()
          return await pgfigi('import', file('legacy.json'), '--json')
        },
      },
      {
        title: `peak memory of these commands in MiB, of ${memoryMiB}`,
        kind: 'memory',
        target: 1,
        warmUp: false,
        baseline: async () => memoryMiB,
        ours: async () => Math.max(...peaks),
      },
    ]
  },
}

/** Runs `pgfigi` from the sources; fails where it does. Peak memory 0 off Linux. */
export async function command(
  databaseUrl: string,
  args: readonly string[],
): Promise<{ ms: number; peakMiB: number }> {
  const started = performance.now()
  const child = spawn(process.execPath, [join(packageRoot, 'src', 'cli', 'main.ts'), ...args], {
    cwd: tmpdir(),
    env: cleanEnvironment({ DATABASE_URL: databaseUrl }),
    stdio: ['ignore', 'ignore', 'pipe'],
    signal: interruption.signal,
  })
  let peakKiB = 0
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  const timer = setInterval(async () => {
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '')
    peakKiB = Math.max(peakKiB, Number(status.match(/^VmHWM:\s+(\d+)/m)?.[1] ?? 0))
  }, 50)
  const [code] = await once(child, 'close')
  clearInterval(timer)
  if (code !== 0) throw new Error(`pgfigi ${args.join(' ')} ended with ${code}: ${stderr}`)
  return { ms: performance.now() - started, peakMiB: Math.round(peakKiB / 1024) }
}

/** What the commands read, and the same as COPY wants it. */
async function writeInputs(sql: Sql, rows: number, file: (path: string) => string): Promise<void> {
  const copied = async (query: ReturnType<Sql>, path: string) =>
    pipeline(copyOut(query), createWriteStream(file(path)))
  await sql`
    create or replace temporary view import_rows as
    select
      n,
      bench.cusip(n) as cusip,
      'T' || to_hex(n) as ticker,
      date '2015-01-01' + (n % 1000)::integer as starts,
      date '2019-01-01' + (n % 700)::integer as ends
    from generate_series(0, ${sql.unsafe(String(rows - 1))}::bigint) as n`
  await copied(
    sql`copy (
      select 'CUSIP' as type, r.cusip as value, r.ticker, r.starts as start, r.ends as "end" from import_rows r order by r.n
    ) to stdout (format csv, header)`,
    'rows.csv',
  )
  await copied(
    sql`copy (
      select 'CUSIP', r.cusip, r.ticker, false, r.starts, r.ends, r.ends - 1, 'import' from import_rows r order by r.n
    ) to stdout`,
    'rows.txt',
  )
  await copied(
    sql`copy (
      select case r.n when 0 then '{' else ',' end || '"' || r.cusip || '": "' || r.ticker || '"'
        || case r.n when ${sql.unsafe(String(rows - 1))} then '}' else '' end
      from import_rows r
      order by r.n
    ) to stdout`,
    'cache.json',
  )
  await copied(
    sql`copy (
      select 'CUSIP', r.cusip, r.ticker, false, timestamptz '2026-11-01', null, timestamptz '2026-11-01', 'import'
      from import_rows r
      order by r.n
    ) to stdout`,
    'cache.txt',
  )
  const [legacy] = await sql<[{ entries: object }]>`
    select json_object_agg(r.cusip, case when r.n % 5 > 0 then r.ticker end) as entries
    from import_rows r
    where r.n < ${legacyEntries}`
  await writeFile(file('legacy.json'), JSON.stringify(legacy.entries))
}

async function copyRows(sql: Sql, path: string): Promise<void> {
  const copy = sql`
    copy public.security_mappings (
      identifier_type, identifier_value, ticker, has_no_results, start_date, end_date, last_fetched_date, source
    ) from stdin`
  await copyFrom(copy, path)
}

async function copyFrom(copy: { writable(): Promise<Writable> }, path: string): Promise<void> {
  await pipeline(createReadStream(path), await copy.writable())
}

async function copyTo(sql: Sql, path: string): Promise<void> {
  await pipeline(copyOut(sql`copy public.security_mappings to stdout (format csv)`), createWriteStream(path))
}
