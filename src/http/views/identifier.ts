import { html } from 'ghtml'
import type { IdentifierDetails, Period } from '../models.ts'
import { actionForm } from './action_form.ts'
import { type Frame, nowOf } from './frame.ts'
import { instant } from './instant.ts'
import { code, periodsTable } from './periods.ts'
import { rivalsTable } from './rivals.ts'
import { plain, searchPath, shown, shownSentence } from './shown_text.ts'
import { badge, type Tone } from './status.ts'
import { timeline } from './timeline.ts'

const states: Readonly<Record<IdentifierDetails['status'], readonly [Tone, string, string]>> = {
  hit: ['ok', 'Current', 'The answer is known and fresh.'],
  stale: ['warn', 'Stale', 'The answer is older than it may be: it is served, and will be fetched again.'],
  negative: ['plain', 'Negative', 'OpenFIGI knows no ticker for it. It is asked again when this is stale.'],
  miss: ['plain', 'Not known', 'Nothing is known yet. A lookup has it fetched:'],
}

/** An identifier: what it is now, what waits for it, what it was. */
export function identifierBody(found: IdentifierDetails, frame: Frame): string {
  const now = nowOf(frame)
  const [tone, word, meaning] = states[found.status]
  const label = `${found.identifier_type} ${found.identifier_value}`
  return html`<section class="card" aria-labelledby="now-title">
<div class="card-top"><div><h2 id="now-title" class="unseen">Now</h2><p class="big">!${found.current && !found.current.has_no_results ? tickerLink(found.current.ticker) : '<i>no ticker</i>'}</p><p class="name">!${found.current?.name ? shown(found.current.name) : ''}</p></div>
<div class="state">!${badge(tone, word)}!${actionForm({ action: 'fetch', label: found.current ? 'Fetch again' : 'Fetch', about: label, identifier: found }, frame)}</div></div>
<p class="meaning">${meaning}!${found.status === 'miss' ? html` <code>pgfigi resolve !${shown(found.identifier_value)}</code>` : ''}!${found.resolved_via && found.resolved_via !== found.identifier_type ? html` Found by its ${found.resolved_via}.` : ''}</p>
<dl class="facts">!${found.current ? factsOf(found.current, found.stale_at, now).map(fact) : ''}</dl>
</section>
!${requestNote(found, frame)}
!${
    found.history.length === 0
      ? ''
      : html`<section aria-labelledby="timeline-heading"><h2 id="timeline-heading">Timeline</h2>!${timeline(found.history, label, now)}!${periodsTable(found.history)}</section>`
  }
!${rivalsTable(found.current?.alternatives ?? [])}`
}

/** Leads to all that bear the ticker. */
function tickerLink(ticker: string | null): string {
  return ticker === null || ticker.length > 40 || !ticker.isWellFormed()
    ? shown(ticker)
    : html`<a href="${searchPath(ticker)}" title="Who bears it"><bdi>${plain(ticker)}</bdi></a>`
}

function factsOf(current: Period, staleAt: string | null, now: Date): [string, string][] {
  const asked: [string, string][] = [
    ['Last fetched', instant(current.last_fetched_date, now)],
    ['Goes stale', instant(staleAt, now)],
    ['Holds since', instant(current.start_date, now)],
    ['Source', shown(current.source)],
  ]
  if (current.has_no_results) return asked
  return [
    ...asked,
    ['FIGI', code(current.figi)],
    ['Composite FIGI', code(current.composite_figi)],
    ['Share class FIGI', code(current.share_class_figi)],
    ['Exchange', shown(current.exch_code)],
    ['Security type', shown(current.security_type)],
    ['Security type 2', shown(current.security_type2)],
    ['Market sector', shown(current.market_sector)],
  ]
}

function fact([name, value]: [string, string]): string {
  return html`<div><dt>${name}</dt><dd>!${value}</dd></div>`
}

function requestNote(
  { request, identifier_type, identifier_value }: IdentifierDetails,
  frame: Frame,
): string {
  if (request === null) return ''
  const now = nowOf(frame)
  const gaveUp = request.state === 'gave up'
  const label = `${identifier_type} ${identifier_value}`
  return html`<section class="card request ${gaveUp ? 'fail' : ''}" aria-labelledby="request-title">
<div class="card-top"><h2 id="request-title">${gaveUp ? 'The request for it gave up' : request.state === 'fetching' ? 'It is being fetched' : 'A request waits for it'}</h2>!${
    gaveUp ? actionForm({ action: 'retry', label: 'Retry', about: label, identifier: request }, frame) : ''
  }</div>
<dl class="facts">!${[
    fact(['Requested', instant(request.requested_at, now)]),
    fact(['Priority', html`${request.priority}`]),
    fact(['Answered with an error', html`${request.attempts === 1 ? 'once' : `${request.attempts} times`}`]),
    request.not_before ? fact(['Not before', instant(request.not_before, now)]) : '',
    request.gave_up_at ? fact(['Gave up', instant(request.gave_up_at, now)]) : '',
  ]}</dl>!${request.last_error === null ? '' : html`<p class="error-text">!${shownSentence(request.last_error)}</p>`}
</section>`
}
