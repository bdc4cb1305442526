import { pino } from 'pino'
import type { Page, Response } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig } from '../../src/config.ts'
import type { Sql } from '../../src/database/connect.ts'
import { startPage } from '../../src/http/running_page.ts'
import { amount } from '../support/at_length.ts'
import { closeBrowser, shows, stopClock, withPage } from '../support/browser.ts'
import { withDatabase } from '../support/database.ts'
import { figure } from '../support/figure.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { until } from '../support/until.ts'

const test = suite('hostile texts in the database, in a browser')

/** Each would leave an element of the class evil, set `evil`, or open a dialog, if it got out of its place. */
const hostile = [
  '<script>evil=1</script>',
  '"><img class=evil src=x onerror=evil=1>',
  "'><svg class=evil onload=evil=1>",
  '" autofocus class=evil onfocus=alert(1) x="',
  "' autofocus class=evil onfocus=alert(1) x='",
  '` class=evil onmouseover=alert(1) `',
  '</title></textarea></style></noscript></svg></script><b class=evil>',
  '<!--><img class=evil src=x onerror=alert(1)>-->',
  ']]><b class=evil>&lt;b class=evil&gt;&#60;b class=evil&#62;',
  '<svg><style><img class=evil src=x onerror=alert(1)></style></svg>',
  '<math><mtext><table><mglyph><style><img class=evil src onerror=evil=1>',
  '<form class=evil action=https://evil.example><button formaction=javascript:alert(1)>x',
  '<a class=evil href="javascript:alert(1)">x</a>[x](javascript:alert(1))',
  '<b class=evil hx-get=/x hx-trigger=load hx-on:load=alert(1) data-hx-get=/x>',
  '<base class=evil href=https://evil.example/><meta class=evil http-equiv=refresh content=0>',
  '#{evil=1}{{constructor.constructor("evil=1")()}}<%=1%>',
  '+ADw-script+AD4-evil=1+ADw-/script+AD4-',
  '\u202e\u2066<b class=evil>\u0007\u200b\u2028<b class=evil>',
  '%3Cb class=evil%3E%22%3E%0d%0a',
  `<b class=evil>${'<b class=evil>'.repeat(300)}`,
] as const

/** Rows in which every text that comes from elsewhere is one of those, a different one in each place. */
async function plant(sql: Sql, turn: number): Promise<void> {
  const text = (place: number) => hostile[(turn + place) % hostile.length] as string
  const value = makeCusip(turn)
  const rival = (place: number) => ({
    ticker: text(place),
    name: text(place + 1),
    figi: text(place + 2),
    exchCode: text(place + 3),
    securityType: { [text(place)]: text(place + 4) },
    shareClassFIGI: [text(place + 5)],
  })
  for (const [place, [from, until]] of [
    ['2020-01-01', '2021-01-01'],
    ['2021-01-01', null],
  ].entries()) {
    await sql`
      insert into public.security_mappings (
        identifier_type, identifier_value, ticker, start_date, end_date, last_fetched_date, figi, composite_figi,
        share_class_figi, name, exch_code, security_type, security_type2, market_sector, alternatives)
      values (
        'CUSIP', ${value}, ${text(place)}, ${from as string}, ${until as string | null}, now(), ${text(place + 1)},
        ${text(place + 2)}, ${text(place + 3)}, ${text(place + 4)}, ${text(place + 5)}, ${text(place + 6)},
        ${text(place + 7)}, ${text(place + 8)}, ${sql.json([rival(place), rival(place + 6), 'x', null])})`
  }
  await sql`
    insert into figi_private.fetch_requests (identifier_type, identifier_value, attempts, last_error, gave_up_at)
    values
      ('CUSIP', ${value}, 4, ${text(2)}, now()),
      (${text(3)}, ${text(4)}, 1, ${text(5)}, null),
      (${text(6)}, ${text(7)}, 4, ${text(8)}, now())`
  await sql`
    insert into figi_private.processes (process, kind, host, pid, version)
    values (${text(0)}, 'worker', ${text(1)}, 1, ${text(2)})`
  await sql`
    insert into figi_private.actions (who, address, action, subject, outcome)
    values (${text(0)}, ${text(1)}, ${text(2)}, ${text(3)}, ${text(4)})`
  for (const [place, counter] of ['lookups', 'openfigi_requests', 'ticker_changes'].entries()) {
    const labels = sql.json({ status: text(place), code: text(place), kind: text(place), [text(1)]: text(2) })
    await sql`
      insert into figi_private.minute_counts (minute, counter, labels, count)
      values (date_trunc('minute', now()), ${counter}, ${labels}, 1)`
    await sql`
      insert into figi_private.count_totals (counter, labels, total, last_at)
      values (${counter}, ${labels}, 1, now())`
  }
  await sql`select graphile_worker.add_job('fetch_mappings', ${JSON.stringify({ [text(0)]: text(1) })}::json)`
  await sql`
    update graphile_worker._private_jobs set last_error = ${text(turn)}, attempts = max_attempts
    where id = (select max(id) from graphile_worker._private_jobs)`
}

/** What has got out of its place. */
const escaped = `({
  evil: typeof evil,
  elements: document.querySelectorAll('.evil, base, object, embed, iframe, meta[http-equiv], [onerror], [onload], [onfocus], [onmouseover]').length,
  scripts: [...document.scripts].filter(({ src }) => !src.startsWith(location.origin + '/assets/')).length,
  links: [...document.querySelectorAll('a[href], form[action], button[formaction]')]
    .map((each) => each.href ?? each.formAction ?? each.action)
    .filter((target) => !String(target).startsWith(location.origin + '/') && !/^https:\\/\\/(www\\.)?[\\w.]+\\//.test(String(target))).length,
})`
const nothing = { evil: 'undefined', elements: 0, scripts: 0, links: 0 }

test('stay texts on every page, in every place, also where it changes by itself', () =>
  withPage('hostile texts in the database', {}, ({ page, complaints }) =>
    withDatabase(async ({ sql, url }) => {
      const planted = amount(4, hostile.length)
      for (let turn = 0; turn < planted; turn += 1)
        await plant(sql, turn * Math.ceil(hostile.length / planted))
      const config = parseConfig({ PGFIGI_PAGE_PORT: '0' })
      await using served = await startPage(config, url, {
        allowActions: true,
        logger: pino({ level: 'silent' }),
        pace: { perSecond: 10_000, mostWaiting: 100, longestWaitMs: 5000 },
      })
      await stopClock(page)
      const values = (
        await sql<{ value: string }[]>`
        select distinct identifier_value as value from public.security_mappings`
      ).map(({ value }) => value)
      const texts = hostile.slice(0, amount(5, hostile.length))
      const paths = [
        '/',
        '/?range=24h',
        '/changes',
        '/requests',
        '/requests?state=gave_up',
        '/work',
        ...values.map((value) => `/search?q=${value}`),
        ...texts.map((text) => `/search?q=${encodeURIComponent(text.slice(0, 200))}`),
        ...texts.slice(0, 2).map((text) => `/runbooks/${encodeURIComponent(text)}`),
        `/none/"><b class=evil>?'"><b class=evil>`,
      ]
      let seen = 0
      for (const path of paths) {
        await open(page, served.url + path)
        assert.equal(await page.evaluate(escaped), nothing, path)
        seen += (await page.locator('body').innerText()).split('evil').length - 1
        if (await page.locator('.live').count()) await renewed(page)
        assert.equal(await page.evaluate(escaped), nothing, `${path}, renewed`)
      }
      for (const path of [
        '/api/v1/actions',
        '/api/v1/work',
        '/api/v1/requests',
        `/api/v1/search?q=${values[0]}`,
        '/metrics',
      ]) {
        const answer = await open(page, served.url + path)
        assert.is(answer?.status(), 200, `${path} ${await answer?.text()}`)
        assert.match(answer?.headers()['content-type'] ?? '', /^(application\/json|text\/plain); /)
        assert.is(await page.evaluate("document.querySelectorAll('.evil').length"), 0, path)
      }
      await pressEach(page, served.url, values[0] ?? '')
      figure(`${paths.length} pages with ${seen} hostile texts in their places`)
      assert.ok(seen > 50, 'they are shown')
      assert.equal(
        complaints.filter((each) => !/status of (400|404|503)/.test(each)),
        [],
      )
    }),
  ))

/** As five seconds later, when the page has fetched itself anew. */
async function renewed(page: Page): Promise<void> {
  await page.evaluate("addEventListener('pgfigi:fresh', () => { document.body.dataset.fresh = 'yes' })")
  await page.clock.runFor(5000)
  await shows(page, page.locator('body[data-fresh]'))
}

/** Goes there, and again where the database had no time: the page gives it three seconds, however busy the machine is. */
async function open(page: Page, url: string): Promise<Response | null> {
  let answer: Response | null = null
  await until(`${url} is answered by the database`, async () => {
    answer = await page.goto(url)
    return answer?.status() !== 503
  })
  return answer
}

/** Buttons whose hidden fields and answers hold what is hostile. */
async function pressEach(page: Page, url: string, value: string): Promise<void> {
  for (const [path, name] of [
    [`/search?q=${value}&x="><b class=evil>`, /^Fetch again/],
    ['/requests?state=gave_up', /^Retry all/],
  ] as const) {
    await open(page, url + path)
    await page.getByRole('button', { name }).first().click()
    await page.locator('.notice').waitFor()
    assert.equal(await page.evaluate(escaped), nothing, path)
  }
}

test.after(closeBrowser)
test.run()
