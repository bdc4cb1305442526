import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Sql } from 'postgres'
import { copyOut } from '../../../src/database/copy_out.ts'
import { interruption, temporaryFolder } from '../clean_up.ts'
import type { Measurement } from '../harness.ts'
import { wallTime } from '../statement.ts'
import { command } from './files.ts'

const most = 1_000_000
const memoryMiB = 300

/** The command enrich, as a process, against what one would do by hand in psql. */
export const enrich: Measurement = {
  name: 'enrich',
  async comparisons({ sql, url, size }, log) {
    if (spawnSync('psql', ['--version']).status !== 0) {
      log('SKIPPED: enrich (there is no program psql)')
      return []
    }
    const rows = Math.min(most, size.identifiers)
    const folder = temporaryFolder('bench-enrich')
    const file = (name: string) => join(folder, name)
    await writeHoldings(sql, rows, size.cusips, file('holdings.csv'))
    await writeFile(file('by_hand.sql'), byHand(file('holdings.csv'), file('by_hand.csv')))
    log(`${rows} holdings are written`)
    const peaks: number[] = []
    return [
      {
        title: `enrich of ${rows} rows, all known, against \\copy in, join, \\copy out by psql`,
        kind: 'time',
        target: 2,
        warmUp: false,
        baseline: () => wallTime(() => psql(url, file('by_hand.sql'))),
        ours: async () => {
          const args = ['enrich', file('holdings.csv'), '--column', 'cusip', '--output', file('enriched.csv')]
          const { ms, peakMiB } = await command(url, args)
          peaks.push(peakMiB)
          return ms
        },
      },
      {
        title: `peak memory of enrich in MiB, of ${memoryMiB}`,
        kind: 'memory',
        target: 1,
        warmUp: false,
        baseline: async () => memoryMiB,
        ours: async () => Math.max(...peaks),
      },
    ]
  },
}

async function writeHoldings(sql: Sql, rows: number, cusips: number, path: string): Promise<void> {
  const [last, count] = [sql.unsafe(String(rows - 1)), sql.unsafe(String(cusips))]
  const holdings = sql`copy (
    select
      'FUND' || n % 7 as fund,
      bench.cusip(n * 7919 % ${count}) as cusip,
      'ISSUER NUMBER ' || n as issuer,
      n % 1000 * 10 as shares,
      n % 90000 * 7.25 as value
    from generate_series(0, ${last}::bigint) as n
  ) to stdout (format csv, header)`
  await pipeline(copyOut(holdings), createWriteStream(path))
}

function byHand(from: string, to: string): string {
  return [
    'create temporary table holdings (fund text, cusip text collate "C", issuer text, shares numeric, value numeric);',
    `\\copy holdings from '${from}' (format csv, header)`,
    'analyze holdings;',
    `\\copy (select h.*, m.ticker, m.name, m.figi, case when m.has_no_results then 'negative' when m.ticker is not null then 'hit' else 'miss' end as status from holdings h left join public.current_mappings m on m.identifier_type = 'CUSIP' and m.identifier_value = h.cusip) to '${to}' (format csv, header)`,
    '',
  ].join('\n')
}

async function psql(url: string, script: string): Promise<void> {
  const args = ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', script, url]
  const child = spawn('psql', args, { stdio: ['ignore', 'ignore', 'pipe'], signal: interruption.signal })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`psql ended with ${code}: ${stderr}`)
}
