import { html } from 'ghtml'
import type { Action, CronEntry, Job, RunningProcess, Work } from '../models.ts'
import { actionForm } from './action_form.ts'
import { type Frame, nowOf } from './frame.ts'
import { instant } from './instant.ts'
import { layout } from './layout.ts'
import { inWords, shown, shownSentence } from './shown_text.ts'
import { badge, type Tone } from './status.ts'
import { type Column, emptyState, table } from './table.ts'

export interface WorkModel {
  readonly work: Work
  readonly actions: readonly Action[]
}

/** Who works, at what, what is scheduled, and what people did by the buttons. */
export function workPage({ work, actions }: WorkModel, frame: Frame): string {
  const now = nowOf(frame)
  return layout(
    {
      title: 'Work',
      isLive: true,
      body: html`!${processes(work.processes, now)}!${jobs(work.jobs, frame, now)}!${cron(work.cron, now)}!${actionLog(actions, frame, now)}`,
    },
    frame,
  )
}

function processes(running: readonly RunningProcess[], now: Date): string {
  const columns: readonly Column<RunningProcess>[] = [
    { title: 'Kind', cell: ({ kind }) => html`${inWords(kind)}` },
    { title: 'Host', cell: ({ host }) => shown(host) },
    { title: 'Process id', kind: 'figure', cell: ({ pid }) => html`${pid}` },
    { title: 'Version', cell: ({ version }) => shown(version) },
    { title: 'Seen', cell: ({ seen_at }) => instant(seen_at, now) },
    { title: 'Started', cell: ({ started_at }) => instant(started_at, now) },
  ]
  return part(
    'processes',
    'Processes',
    running.length === 0
      ? emptyState(
          'Nobody works',
          '<p>Without a worker nothing is fetched for SQL, and nothing is refreshed. Start one: <code>pgfigi worker</code>, or all at once: <code>pgfigi start</code>.</p>',
        )
      : table(running, { id: 'processes', caption: 'Processes', columns }),
  )
}

const jobTones: Readonly<Record<Job['state'], Tone>> = {
  ready: 'plain',
  later: 'plain',
  running: 'ok',
  'dead worker': 'warn',
  failed: 'fail',
}

function jobs(queued: readonly Job[], frame: Frame, now: Date): string {
  const columns: readonly Column<Job>[] = [
    { title: 'Task', cell: ({ task }) => shown(task) },
    { title: 'State', cell: ({ state }) => badge(jobTones[state], inWords(state)) },
    { title: 'Runs at', cell: ({ run_at }) => instant(run_at, now) },
    {
      title: 'Attempts',
      kind: 'figure',
      cell: ({ attempts, max_attempts }) => html`${attempts} of ${max_attempts}`,
    },
    { title: 'Taken', cell: ({ locked_at }) => instant(locked_at, now) },
    { title: 'Last error', kind: 'wide', cell: ({ last_error }) => shownSentence(last_error) },
    { title: 'Id', kind: 'figure', cell: ({ id }) => shown(id) },
  ]
  const hasDead = queued.some(({ state }) => state === 'dead worker')
  return part(
    'jobs',
    'Jobs',
    queued.length === 0
      ? emptyState('No job waits', '<p>Jobs come with requests, and by the schedule below.</p>')
      : table(queued, { id: 'jobs', caption: 'Jobs', columns }),
    hasDead ? actionForm({ action: 'unlock', label: 'Free the jobs of dead workers' }, frame) : '',
  )
}

function cron(entries: readonly CronEntry[], now: Date): string {
  const columns: readonly Column<CronEntry>[] = [
    { title: 'Task', cell: ({ task }) => shown(task) },
    { title: 'Schedule (UTC)', cell: ({ schedule }) => html`<code>!${shown(schedule)}</code>` },
    {
      title: 'Last run',
      cell: ({ last_run_at }) => (last_run_at === null ? 'not yet' : instant(last_run_at, now)),
    },
  ]
  return part(
    'cron',
    'Schedule',
    entries.length === 0
      ? emptyState(
          'Nothing is scheduled yet',
          '<p>A worker writes its schedule here when it starts: <code>pgfigi worker</code>.</p>',
        )
      : table(entries, { id: 'cron', caption: 'Schedule', columns }),
  )
}

function actionLog(actions: readonly Action[], frame: Frame, now: Date): string {
  const columns: readonly Column<Action>[] = [
    { title: 'What', cell: ({ action }) => html`${inWords(action)}` },
    { title: 'Of', cell: ({ subject }) => shown(subject) },
    { title: 'Outcome', kind: 'wide', cell: ({ outcome }) => shownSentence(outcome) },
    { title: 'Who', cell: ({ who }) => shown(who) },
    { title: 'From', cell: ({ address }) => shown(address) },
    { title: 'When', cell: ({ acted_at }) => instant(acted_at, now) },
  ]
  return part(
    'actions',
    'What people did',
    actions.length === 0
      ? emptyState(
          'Nobody has pressed a button yet',
          frame.allowActions
            ? '<p>Each press is written down here: who, from where, and what came of it.</p>'
            : '<p>There are buttons after <code>pgfigi serve --allow-actions</code>; each press is written down here.</p>',
        )
      : table(actions, { id: 'actions', caption: 'What people did, latest first', columns }),
  )
}

function part(id: string, title: string, body: string, beside = ''): string {
  return html`<section aria-labelledby="${id}-heading"><div class="heading"><h2 id="${id}-heading">${title}</h2>!${beside}</div>!${body}</section>`
}
