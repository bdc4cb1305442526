import { html } from 'ghtml'
import { assetUrl } from '../assets.ts'
import { csrfField } from './action_form.ts'
import { type Frame, nowOf } from './frame.ts'
import { exact } from './instant.ts'
import { plain, shownSentence } from './shown_text.ts'

const sections = [
  ['/', 'Overview'],
  ['/changes', 'Changes'],
  ['/negatives', 'Negatives'],
  ['/requests', 'Requests'],
  ['/work', 'Work'],
] as const

export interface Page {
  /** What the page is about, also its heading. */
  readonly title: string
  /** Stands beside the heading, as HTML. */
  readonly beside?: string
  /** As HTML. */
  readonly body: string
  /** Whether its main part is fetched anew every few seconds. */
  readonly isLive?: boolean
  /** What has been searched for. */
  readonly query?: string
  /** Whether there are charts to draw. */
  readonly hasCharts?: boolean
  /** Whether the ways to other pages are left out: nobody has logged in. */
  readonly isClosed?: boolean
}

/** A whole document around one page. */
export function layout(page: Page, frame: Frame): string {
  const { title, isLive = false, hasCharts = false } = page
  const isClosed = page.isClosed || frame.version === null
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${plain(title)} · pgfigi</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<link rel="icon" href="${assetUrl('icon.svg')}" type="image/svg+xml">
!${hasCharts ? html`<link rel="stylesheet" href="${assetUrl('uPlot.min.css')}">` : ''}
<link rel="stylesheet" href="${assetUrl('page.css')}">
<script src="${assetUrl('theme.js')}"></script>
!${hasCharts ? html`!${script('uPlot.iife.min.js')}!${script('charts.js')}` : ''}
!${isLive ? html`<meta name="htmx-config" content="${htmxConfig}">!${script('htmx.min.js')}!${script('live.js')}` : ''}
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="top">
<div class="inner">
<a class="brand" href="/">!${logo}pgfigi</a>
!${isClosed ? '' : html`!${navigation(frame)}!${searchForm(page.query ?? '')}`}
!${isLive ? liveControl : ''}
</div>
</header>
!${frame.notice ? html`<div class="notice inner" role="status">!${shownSentence(frame.notice)}</div>` : ''}
<main id="main" tabindex="-1" class="inner">
<div class="heading"><h1>${plain(title)}</h1>!${page.beside ?? ''}</div>
!${page.body}
!${isLive ? asOf(nowOf(frame)) : ''}
</main>
<footer class="bottom">
<div class="inner">
<p>pgfigi${frame.version === null ? '' : ` ${frame.version}`}. All times are in UTC.!${frame.allowActions || isClosed ? '' : ' This page only reads.'}</p>
!${frame.user === null || isClosed ? '' : signOut(frame)}
<p class="theme"><label for="theme">Colours</label> <select id="theme"><option value="">as the system</option><option value="light">light</option><option value="dark">dark</option></select></p>
</div>
</footer>
</body>
</html>
`
}

/** Read by htmx: no style sheet of its own, no history, errors are not shown in place of the page, what is unfolded stays so. */
const htmxConfig = JSON.stringify({
  includeIndicatorCSS: false,
  history: false,
  defaultTimeout: 10_000,
  morphIgnore: ['data-htmx-powered', 'open'],
  morphSkipChildren: '.canvas',
  noSwap: ['204', '304', '4xx', '5xx'],
})

const logo =
  '<svg class="logo" viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" focusable="false"><rect x="2" y="4" width="12" height="4" rx="2"/><rect x="8" y="10" width="14" height="4" rx="2" class="second"/><rect x="4" y="16" width="9" height="4" rx="2"/></svg>'

/** Hidden where no script runs, as nothing is live there. */
const liveControl = html`<div class="live"><span class="dot" aria-hidden="true"></span><span id="live-state">Live</span><button type="button" id="pause">Pause<span class="unseen"> live updates</span></button><span class="unseen" id="announcer" role="status"></span></div>`

function asOf(now: Date): string {
  return html`<p class="as-of">As of <time datetime="${now.toISOString()}">${exact(now)}</time></p>`
}

function script(name: string): string {
  return html`<script src="${assetUrl(name)}" defer></script>`
}

function navigation({ path }: Frame): string {
  const here = path.split('?', 1)[0]
  return html`<nav aria-label="Pages"><ul>!${sections.map(
    ([target, label]) =>
      html`<li><a href="${target}"!${target === here ? ' aria-current="page"' : ''}>${label}</a></li>`,
  )}</ul></nav>`
}

function searchForm(query: string): string {
  return html`<form class="search" role="search" action="/search" method="get">
<label class="unseen" for="q">CUSIP, ISIN or ticker</label>
<input id="q" name="q" type="search" value="${query.length > 200 ? query.slice(0, 200) : query}" placeholder="CUSIP, ISIN or ticker" maxlength="200" autocomplete="off" autocapitalize="characters" spellcheck="false" required>
<button type="submit">Look up</button>
</form>`
}

function signOut(frame: Frame): string {
  return html`<form class="sign-out" method="post" action="/logout">!${csrfField(frame)}<span>Logged in as !${shownSentence(frame.user)}</span> <button type="submit">Log out</button></form>`
}
