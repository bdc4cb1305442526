/** What pgfigi counts: the one list, for whoever counts, for `/metrics` and for the page. */
export interface CounterDefinition {
  /** One sentence, as `/metrics` and the docs give it. */
  readonly help: string
  /** The names of its labels, whose values are few and never identifiers. */
  readonly labels: readonly string[]
}

export const counters = {
  lookups: {
    help: 'Lookups by clients and commands, by what was known (status) and where the answer came from (source: process, replica, database or openfigi).',
    labels: ['type', 'status', 'source'],
  },
  fetch_requests: {
    help: 'Requests for a fetch that have ended, by priority (lookup, warming, refresh) and by who asked (sql: a session that is none of pgfigi’s own; pgfigi).',
    labels: ['priority', 'asked_by'],
  },
  openfigi_requests: {
    help: 'HTTP requests sent to OpenFIGI, by the status code of the answer (none: no answer came).',
    labels: ['code'],
  },
  openfigi_answers: {
    help: 'Answers of OpenFIGI for single identifiers: listing, none (it knows no such identifier), unfiltered (not in the preferred market, asked again without a filter), error.',
    labels: ['outcome'],
  },
  budget_waits: {
    help: 'Slots of the shared budget that were waited for.',
    labels: [],
  },
  budget_wait_milliseconds: {
    help: 'Milliseconds spent waiting for slots of the shared budget, over all requests.',
    labels: [],
  },
  ticker_changes: {
    help: 'Changes that answers of OpenFIGI brought, by kind: first_seen, renamed, retired, revived.',
    labels: ['kind'],
  },
  worker_jobs: {
    help: 'Jobs that workers ran, by task and outcome (done, failed).',
    labels: ['task', 'outcome'],
  },
} as const satisfies Record<string, CounterDefinition>

export type CounterName = keyof typeof counters
