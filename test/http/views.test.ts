import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assets } from '../../src/http/assets.ts'
import { readRunbook } from '../../src/http/runbooks.ts'
import { changesPage } from '../../src/http/views/changes.ts'
import { negativesPage } from '../../src/http/views/negatives.ts'
import { overviewPage } from '../../src/http/views/overview.ts'
import { requestsPage } from '../../src/http/views/requests.ts'
import { runbookPage } from '../../src/http/views/runbook.ts'
import { searchPage } from '../../src/http/views/search.ts'
import { workPage } from '../../src/http/views/work.ts'
import { examplePages } from '../support/example_pages.ts'
import * as example from '../support/page_examples.ts'

const test = suite('the views')

const { frame, meta, overview, charts } = example
const every = [...examplePages].map(([path, render]) => ({ path, html: render(frame(path)) }))

/** What a person reads: without tags. */
function read(html: string): string {
  return html
    .replace(/<(script|style|title)[^>]*>.*?<\/\1>/gs, '')
    .replace(/<[^>]+>/g, ' ')
    .replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
    .replace(/\s+/g, ' ')
}

function overviewOf(health: typeof example.wellHealth): string {
  return overviewPage({ health, overview, charts, range: '24h' }, frame('/'))
}

function searchOf(identifier: typeof meta, allowActions = true): string {
  const found = { kind: 'identifier', identifier } as const
  return searchPage({ query: 'x', found, message: null }, frame('/search?q=x', { allowActions }))
}

test('every page has one heading, one main part, and headers that say what they head', () => {
  for (const { path, html } of every) {
    assert.is(html.match(/<h1[ >]/g)?.length, 1, path)
    assert.is(html.match(/<main /g)?.length, 1, path)
    for (const header of html.match(/<th\b[^>]*>/g) ?? []) assert.match(header, /scope="(col|row)"/, path)
    for (const time of html.match(/<time\b[^>]*>/g) ?? []) assert.match(time, /datetime="2\d{3}-/, path)
    const ids = html.match(/ id="[^"]*"/g) ?? []
    assert.equal(ids.length, new Set(ids).size, path)
  }
})

test('no page has a style, a script or a handler of its own', () => {
  for (const { path, html } of every) {
    assert.not.match(html, /<[^>]* (style|on\w+)=/, path)
    assert.not.match(html, /<style/, path)
    for (const script of html.match(/<script\b[^>]*>/g) ?? []) assert.match(script, /src="\/assets\//, path)
    for (const [, name = ''] of html.matchAll(/(?:src|href)="\/assets\/([^?"]+)\?v=[\w-]{8}"/g)) {
      assert.ok(assets.has(name), name)
    }
    assert.not.match(html, /(src|href)="(https?:)?\/\/(?!www\.openfigi\.com)/, path)
  }
})

test('where all is well it says so in one sentence, with the checks folded away', () => {
  const html = overviewOf(example.wellHealth)
  assert.match(read(html), /All is well: 17 checks, none of them warns\./)
  assert.match(html, /<details class="more" id="well-checks"><summary>What was checked<\/summary>/)
  assert.not.match(html, /class="checks troubles"/)
})

test('else the worst comes first, each with its value, its thresholds and what to do', () => {
  const html = overviewOf(example.sickHealth)
  const order = [...html.matchAll(/id="check-(\w+)"/g)].map(([, name]) => name).slice(0, 4)
  assert.equal(order, ['worker_seen', 'oldest_request', 'gave_up', 'laws'])
  assert.match(
    read(html),
    /Fails: No worker was seen for 1 hour 15 minutes: start one with pgfigi worker\. worker seen 1 hour 15 minutes warns at 1 minute fails at 5 minutes What to do/,
  )
  assert.match(html, /href="\/runbooks\/worker_seen"/)
  assert.match(read(html), /14 other checks are well/)
})

test('buttons are there only where they are allowed, with the token and the way back', () => {
  const pages = (allowActions: boolean) => {
    const with_ = { allowActions }
    return [
      searchOf({ ...meta, request: example.gaveUp }, allowActions),
      negativesPage({ negatives: example.negatives }, frame('/negatives', with_)),
      requestsPage({ requests: [example.gaveUp], state: 'gave_up' }, frame('/requests?state=gave_up', with_)),
      workPage({ work: example.work, actions: [] }, frame('/work', with_)),
    ].join('')
  }
  assert.not.match(pages(false), /\/actions\//)
  const forms = pages(true).match(/<form class="action".*?<\/form>/gs) ?? []
  assert.equal(
    [...new Set(forms.map((form) => /action="([^"]+)"/.exec(form)?.[1]))],
    ['/actions/fetch', '/actions/retry', '/actions/retry-all', '/actions/unlock'],
  )
  for (const form of forms) {
    assert.match(form, /method="post".*name="csrf" value="a-token".*name="back" value="\/\w+/s)
  }
})

test('nothing to show says what that means and what to do', () => {
  const empty = [
    [
      overviewPage(
        {
          health: example.wellHealth,
          overview: example.emptyOverview,
          charts: example.emptyCharts,
          range: '1h',
        },
        frame('/'),
      ),
      /Nothing is known yet Look up an identifier above or by pgfigi resolve 037833100/,
    ],
    [
      searchPage({ query: '', found: null, message: null }, frame('/search')),
      /A CUSIP \( 037833100 \), an ISIN/,
    ],
    [changesPage({ changes: [] }, frame('/changes')), /Nothing has changed yet .*pgfigi resolve 037833100/],
    [negativesPage({ negatives: [] }, frame('/negatives')), /There are no negatives/],
    [
      requestsPage({ requests: [], state: 'waiting' }, frame('/requests')),
      /No request waits .*pgfigi resolve/,
    ],
    [requestsPage({ requests: [], state: 'gave_up' }, frame('/requests')), /No request gave up/],
    [
      workPage({ work: { processes: [], jobs: [], cron: [] }, actions: [] }, frame('/work')),
      /Nobody works .*pgfigi worker.*No job waits.*Nothing is scheduled yet.*Nobody has pressed a button yet Each press/,
    ],
  ] as const
  for (const [html, words] of empty) assert.match(read(html), words)
})

test('an identifier: what it is, when it goes stale, its rivals, the request that gave up', () => {
  const text = read(searchOf(example.restless))
  assert.match(text, /RST9 RESTLESS 9 INC Stale Fetch again ISIN US5949181045/)
  assert.match(text, /Found by its CUSIP\./)
  assert.match(
    text,
    /Last fetched 2026-11-19 17:41 UTC 3 days ago Goes stale 2026-11-20 17:41 UTC 2 days ago/,
  )
  assert.match(text, /The request for it gave up .*Answered with an error 5 times .*Invalid idValue format/)
  assert.match(searchOf(example.restless), /10 periods\. The table below says the same/)
  assert.match(read(searchOf(meta)), /Rivals .*METAB META PLATFORMS INC-CLASS B US/)
  assert.match(read(searchOf(example.negativeIdentifier)), /no ticker .*Negative .*It is being fetched/)
})

test('texts from elsewhere are never markup, are cut, and show what cannot be seen', () => {
  for (const text of example.hostileTexts) {
    const found = { kind: 'identifier', identifier: example.hostileIdentifier(text) } as const
    const hostile = { notice: text, user: text, path: `/search?q=${text}` }
    const html = [
      searchPage({ query: text, found, message: text }, frame('/', hostile)),
      searchPage(
        { query: text, found: { kind: 'ticker', ticker: text, bearers: [] }, message: text },
        frame('/'),
      ),
      changesPage(
        {
          changes: [
            {
              identifier_type: text,
              identifier_value: text,
              changed_at: example.before(1),
              kind: 'renamed',
              from_ticker: text,
              to_ticker: text,
              name: text,
              source: text,
            },
          ],
        },
        frame('/changes', hostile),
      ),
      requestsPage(
        { requests: [example.request({ last_error: text })], state: 'waiting' },
        frame('/', hostile),
      ),
    ]
      .join('')
      .replaceAll('\n', ' ')
    assert.not.ok(/<script>alert|<img|<hx-|<\/svg><\/title>/.test(html), text.slice(0, 40))
    assert.not.match(html, /' autofocus/)
    const seen = html.replaceAll(/ value="[^"]*"/g, '') // what a form sends back is what it was
    assert.not.match(seen, /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u)
    assert.not.ok(seen.includes('W'.repeat(601)), 'is cut')
  }
})

test('assets have a type, a body and an etag of their own', () => {
  for (const [name, { type, body, etag }] of assets) {
    assert.match(type, /^(text\/(css|javascript); charset=utf-8|image\/svg\+xml)$/, name)
    assert.ok(body.length > 100, name)
    assert.match(etag, /^"[\w-]{16}"$/, name)
  }
  assert.is(new Set([...assets.values()].map(({ etag }) => etag)).size, assets.size)
})

test('a runbook is read by its name alone, and there is one for each check', async () => {
  for (const { name } of example.wellHealth.checks) {
    const text = await readRunbook(name)
    assert.ok(text, name)
    const html = runbookPage({ name, text }, frame(`/runbooks/${name}`))
    assert.match(html, /<h2>What to do<\/h2>/, name)
    const words = read(html.replaceAll(/<(pre|code)\b.*?<\/\1>/gs, ''))
    assert.not.match(words, /\*\*|\]\(|`/, name)
  }
  for (const name of ['../architecture', '..', '', 'a/b', 'no_such_check', '%2e%2e', 'x'.repeat(300)]) {
    assert.is(await readRunbook(name), null, name)
  }
})

test.run()
