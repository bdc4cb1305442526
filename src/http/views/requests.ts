import { html } from 'ghtml'
import type { QueuedRequest } from '../models.ts'
import { actionForm } from './action_form.ts'
import { type Frame, nowOf } from './frame.ts'
import { instant } from './instant.ts'
import { layout } from './layout.ts'
import { inWords, searchLink, shown, shownSentence } from './shown_text.ts'
import { badge } from './status.ts'
import { type Column, emptyState, table } from './table.ts'

export interface RequestsModel {
  readonly requests: readonly QueuedRequest[]
  readonly state: 'waiting' | 'gave_up'
}

/** The requests for a fetch that wait, or those that gave up, with their errors. */
export function requestsPage({ requests, state }: RequestsModel, frame: Frame): string {
  const gaveUp = state === 'gave_up'
  return layout(
    {
      title: 'Requests',
      isLive: true,
      beside: stateLinks(state),
      body:
        requests.length === 0
          ? gaveUp
            ? nothingGaveUp
            : nothingWaits
          : html`<div class="lead-row"><p class="lead">${gaveUp ? 'OpenFIGI answered each with an error, several times. They are asked for again when somebody looks them up or retries them.' : 'Those that were asked for first come first, lookups before warming before refreshing.'}</p>!${
              gaveUp ? actionForm({ action: 'retry-all', label: 'Retry all' }, frame) : ''
            }</div>!${table(requests, { id: 'requests', caption: gaveUp ? 'Requests that gave up' : 'Requests that wait', columns: columnsOf(gaveUp, frame) })}`,
    },
    frame,
  )
}

function columnsOf(gaveUp: boolean, frame: Frame): Column<QueuedRequest>[] {
  const now = nowOf(frame)
  const identifier: Column<QueuedRequest>[] = [
    { title: 'Identifier', cell: ({ identifier_value }) => searchLink(identifier_value) },
    { title: 'Type', cell: ({ identifier_type }) => shown(identifier_type) },
    { title: 'State', cell: ({ state }) => stateBadge(state) },
    { title: 'Priority', cell: ({ priority }) => html`${inWords(priority)}` },
    { title: 'Requested', cell: ({ requested_at }) => instant(requested_at, now) },
    gaveUp
      ? { title: 'Gave up', cell: ({ gave_up_at }) => instant(gave_up_at, now) }
      : { title: 'Not before', cell: ({ not_before }) => instant(not_before, now) },
    { title: 'Errors', kind: 'figure', cell: ({ attempts }) => html`${attempts}` },
    { title: 'Last error', kind: 'wide', cell: ({ last_error }) => shownSentence(last_error) },
  ]
  return gaveUp && frame.allowActions ? [...identifier, retryColumn(frame)] : identifier
}

function stateBadge(state: QueuedRequest['state']): string {
  return badge(state === 'gave up' ? 'fail' : 'plain', inWords(state))
}

function retryColumn(frame: Frame): Column<QueuedRequest> {
  return {
    title: 'Retry',
    kind: 'act',
    cell: (request) =>
      actionForm(
        {
          action: 'retry',
          label: 'Retry',
          about: `${request.identifier_type} ${request.identifier_value}`,
          identifier: request,
        },
        frame,
      ),
  }
}

function stateLinks(current: RequestsModel['state']): string {
  const links = [
    ['waiting', 'Waiting'],
    ['gave_up', 'Gave up'],
  ] as const
  return html`<nav class="segments" aria-label="State of the requests"><ul>!${links.map(
    ([state, label]) =>
      html`<li><a href="/requests?state=${state}"!${state === current ? ' aria-current="true"' : ''}>${label}</a></li>`,
  )}</ul></nav>`
}

const nothingWaits = emptyState(
  'No request waits',
  '<p>All that was asked for has been fetched. A lookup of something unknown makes a request: <code>pgfigi resolve 037833100</code>.</p>',
)
const nothingGaveUp = emptyState(
  'No request gave up',
  '<p>Those that OpenFIGI answers with an error again and again are listed here, with the error.</p>',
)
