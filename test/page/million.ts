/**
 * The page on a large database, by hand: loads it, serves it with a worker and a simulated OpenFIGI, walks every page, has an
 * identifier fetched again, and keeps screenshots.
 *
 *   node test/page/million.ts [--rows 1000000] [--screenshots folder] [--home folder]
 *
 * Exits with 1 where axe or the browser complains. `--home` keeps the database, so that the next run need not load it.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import pino from 'pino'
import type { Page } from 'playwright-core'
import type { Sql } from 'postgres'
import { parseConfig } from '../../src/config.ts'
import { startPage } from '../../src/http/running_page.ts'
import { openBenchCluster } from '../bench/database.ts'
import { findings, looks } from '../support/axe.ts'
import { closeBrowser, withPage } from '../support/browser.ts'
import { forkProgram } from '../support/child.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { withSimulator } from '../support/openfigi_simulator.ts'

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    screenshots: { type: 'string' },
    home: { type: 'string' },
  },
})

const began = performance.now()
const tell = (line: string) =>
  console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${line}`)
const problems: string[] = []

await using cluster = await openBenchCluster([Number(options.rows)], options.home, tell)
const database = cluster.databases[0]
if (!database) throw new Error('no database was made')
await withSimulator({ limit: { requests: 25, windowMs: 6000 }, latencyMs: 200 }, async (simulator) => {
  const { url, sql } = database
  const subject = await liveThrough(sql)
  tell('a week of counts, waiting requests and some that gave up')
  await using _worker = await forkProgram(
    'worker_process.ts',
    {},
    { DATABASE_URL: url, OPENFIGI_API_URL: simulator.url, OPENFIGI_API_KEY: 'key' },
  )
  await using served = await startPage(parseConfig({ PGFIGI_PAGE_PORT: '0' }), url, {
    allowActions: true,
    logger: pino({ level: 'warn' }),
  })
  await withPage('the page', {}, async ({ page, complaints }) => {
    await walk(page, served.url, [
      '/',
      '/?range=1h',
      '/?range=7d',
      '/search',
      `/search?q=${subject.identifier}`,
      `/search?q=${subject.isin}`,
      `/search?q=${subject.ticker}`,
      `/search?q=${subject.negative}`,
      '/changes',
      '/negatives',
      '/requests',
      '/requests?state=gave_up',
      '/work',
      '/runbooks/worker_seen',
    ])
    simulator.rename(subject.identifier, 'RENAMED')
    await page.goto(`${served.url}/search?q=${subject.identifier}`)
    const pressed = performance.now()
    await page.getByRole('button', { name: 'Fetch again' }).click()
    await page.locator('.big', { hasText: 'RENAMED' }).waitFor({ timeout: 60_000 })
    tell(`fetched again: shown ${((performance.now() - pressed) / 1000).toFixed(1)} s after the button`)
    await look(page, 'fetched-again')
    problems.push(...complaints)
  })
})
await closeBrowser()
for (const problem of problems) console.log(`PROBLEM ${problem}`)
tell(problems.length === 0 ? 'nothing to complain about' : `${problems.length} problems`)
process.exitCode = problems.length === 0 ? 0 : 1

/** Opens each page, says how long that took, has axe look, and takes its pictures. */
async function walk(page: Page, url: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const asked = performance.now()
    const response = await page.goto(url + path)
    const ms = Math.round(performance.now() - asked)
    if (!response?.ok()) problems.push(`${path} answered ${response?.status()}`)
    const found = await findings(page)
    problems.push(...found)
    tell(`${path}: ${ms} ms, ${found.length} findings`)
    await look(page, path.replaceAll(/[^a-z0-9]+/gi, '-').replace(/^-|-$/g, '') || 'front')
  }
}

/** In light and dark, at the desk and on a phone. */
async function look(page: Page, name: string): Promise<void> {
  if (!options.screenshots) return
  await mkdir(options.screenshots, { recursive: true })
  for (const { colorScheme, viewport } of looks) {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize(viewport)
    await page.waitForTimeout(100) // charts are drawn in the next frame
    const file = `${name}-${colorScheme}-${viewport.width < 500 ? 'phone' : 'desk'}.png`
    await page.screenshot({ path: join(options.screenshots, file), fullPage: true })
  }
}

/** What a week of work leaves behind, and identifiers worth looking up. */
async function liveThrough(
  sql: Sql,
): Promise<{ identifier: string; isin: string; ticker: string; negative: string }> {
  await sql`
    insert into figi_private.minute_counts (counter, labels, minute, count)
    select counter, labels::jsonb, minute, greatest(1, height * (0.6 + 0.4 * sin(extract(epoch from minute) / 13750)) * (0.8 + 0.4 * random()))::bigint
    from generate_series(date_trunc('minute', now()) - interval '7 days', now(), interval '1 minute') as minute
    cross join (values
      ('lookups', '{"type": "CUSIP", "status": "hit", "source": "process"}', 900),
      ('lookups', '{"type": "CUSIP", "status": "stale", "source": "database"}', 30),
      ('lookups', '{"type": "ISIN", "status": "negative", "source": "database"}', 18),
      ('lookups', '{"type": "ISIN", "status": "miss", "source": "openfigi"}', 40),
      ('openfigi_requests', '{"code": "200"}', 24),
      ('ticker_changes', '{"kind": "first_seen"}', 30)
    ) as kinds (counter, labels, height)
    union all
    select 'openfigi_requests', '{"code": "429"}', minute, 1 + (random() * 4)::bigint
    from generate_series(date_trunc('minute', now()) - interval '7 days', now(), interval '97 minutes') as minute
    union all
    select 'ticker_changes', jsonb_build_object('kind', kind), minute, 1 + (random() * 3)::bigint
    from generate_series(date_trunc('minute', now()) - interval '7 days', now(), interval '7 minutes') as minute
    cross join (values ('renamed'), ('retired'), ('revived')) as kinds (kind)
    on conflict do nothing`
  await sql`
    insert into figi_private.size_samples (minute, found, negatives, stale, ended, waiting, gave_up)
    select minute, total.found - back, total.negatives - back / 40, total.stale, total.ended - back / 20, 400, 12
    from figi_private.mapping_totals() as total
    cross join generate_series(date_trunc('minute', now()) - interval '7 days', now(), interval '1 minute') as minute
    cross join lateral (select (extract(epoch from now() - minute) / 60 * 11)::bigint as back) as ago
    on conflict do nothing`
  const unknown = Array.from({ length: 1200 }, (_, place) => makeCusip(5_000_000 + place))
  await sql`select from public.resolve_mappings('CUSIP', ${unknown})`
  await sql`
    update figi_private.fetch_requests
    set attempts = 4, gave_up_at = clock_timestamp() - interval '14 minutes', last_error = 'Invalid idValue format.'
    where identifier_value = any (${unknown.slice(0, 12)})`
  const [subject] = await sql<[{ identifier: string; isin: string; ticker: string; negative: string }]>`
    select
      bench.changed_cusip(7) as identifier,
      (select m.identifier_value from public.security_mappings as m
        where m.identifier_type = 'ISIN' and m.end_date is null and not m.has_no_results limit 1) as isin,
      (select m.ticker from public.security_mappings as m
        where m.identifier_value = bench.changed_cusip(7) and m.end_date is null) as ticker,
      (select m.identifier_value from public.security_mappings as m
        where m.has_no_results and m.end_date is null limit 1) as negative`
  return subject
}
