/** Models of the page: a master that is well, one that is not, an empty one, and one full of hostile texts. */
import type {
  Action,
  Bearer,
  Change,
  Chart,
  Health,
  HealthCheck,
  IdentifierDetails,
  Negative,
  Overview,
  Period,
  QueuedRequest,
  Work,
} from '../../src/http/models.ts'
import type { Frame } from '../../src/http/views/frame.ts'

export const now = new Date('2026-11-22T17:41:06Z')

/** So many seconds before `now`. */
export function before(seconds: number): string {
  return new Date(now.getTime() - seconds * 1000).toISOString()
}

const minute = 60
const hour = 3600
const days = 86_400

export function frame(path: string, more: Partial<Frame> = {}): Frame {
  return {
    path,
    csrfToken: 'a-token',
    allowActions: true,
    user: 'ann',
    notice: null,
    version: '0.2.0',
    now,
    ...more,
  }
}

function check(name: string, more: Partial<HealthCheck> = {}): HealthCheck {
  return {
    name,
    status: 'ok',
    value: 0,
    unit: 'requests',
    threshold: 1,
    fails_at: null,
    sentence: `There is nothing to say about ${name}.`,
    ...more,
  }
}

const wellChecks: readonly HealthCheck[] = [
  check('laws', { unit: 'rows', sentence: 'The laws of the table hold in the sample of 10,000 rows.' }),
  check('migrations', {
    unit: 'migrations',
    sentence: 'The database has every migration that this pgfigi knows.',
  }),
  check('worker_seen', {
    value: 4,
    unit: 'seconds',
    threshold: 60,
    fails_at: 300,
    sentence: 'A worker was seen 4 seconds ago.',
  }),
  check('oldest_request', {
    value: 38,
    unit: 'seconds',
    threshold: 900,
    fails_at: 3600,
    sentence: 'The oldest request that could be fetched has waited for 38 seconds.',
  }),
  check('gave_up', { threshold: 1, fails_at: 1000, sentence: 'No request has given up.' }),
  check('last_answer', {
    value: 2,
    unit: 'seconds',
    threshold: 900,
    fails_at: 3600,
    sentence: 'OpenFIGI answered 2 seconds ago.',
  }),
  check('budget_blocked', { unit: 'seconds', threshold: 60, sentence: 'The budget is not blocked.' }),
  check('key_refused', {
    fails_at: 1,
    threshold: null,
    sentence: 'The key was not refused in the last hour.',
  }),
  check('rate_limited', { threshold: 10, sentence: 'OpenFIGI never answered 429 in the last hour.' }),
  check('stale_share', {
    value: 0.031,
    unit: 'share',
    threshold: 0.2,
    fails_at: 0.5,
    sentence: '3.1 % of the mappings are older than 90 days.',
  }),
  check('negative_share', {
    value: 0.024,
    unit: 'share',
    threshold: 0.1,
    sentence: '2.4 % of the answers of the last hour were negative, 2.6 % in the week before.',
  }),
  check('dead_jobs', { unit: 'jobs', sentence: 'No job is locked by a dead worker.' }),
  check('failed_jobs', { unit: 'jobs', sentence: 'No job has failed for good.' }),
  check('replica_lag', {
    value: null,
    unit: 'seconds',
    threshold: 30,
    fails_at: 300,
    sentence: 'There is no replica.',
  }),
  check('bloat', {
    value: 0.08,
    unit: 'share',
    threshold: 0.3,
    sentence: 'About 8 % of the tables and indexes is dead.',
  }),
  check('connections', {
    value: 0.11,
    unit: 'share',
    threshold: 0.8,
    fails_at: 0.95,
    sentence: '11 of 100 connections are used.',
  }),
  check('settings', { unit: 'settings', sentence: 'Every setting is one that pgfigi knows.' }),
]

export const wellHealth: Health = { status: 'ok', checked_at: before(1), checks: [...wellChecks] }

const sick: Readonly<Record<string, Partial<HealthCheck>>> = {
  oldest_request: {
    status: 'warn',
    value: 1260,
    sentence:
      'The oldest request that could be fetched has waited for 21 minutes, since the budget is used up: let it run, or give it a key.',
  },
  gave_up: {
    status: 'warn',
    value: 12,
    sentence: '12 requests gave up after several errors: look at their errors, then retry them.',
  },
  worker_seen: {
    status: 'fail',
    value: 4520,
    sentence: 'No worker was seen for 1 hour 15 minutes: start one with pgfigi worker.',
  },
}

/** Of the same checks, two that warn and one that fails. */
export const sickHealth: Health = {
  status: 'fail',
  checked_at: before(1),
  checks: wellChecks.map((each) => ({ ...each, ...(sick[each.name] ?? {}) })),
}

export const overview: Overview = {
  total_cached: 1_000_000,
  found_cached: 975_812,
  not_found_cached: 24_188,
  stale: 31_204,
  history_rows: 48_120,
  pending: 412,
  gave_up: 12,
  hit_rate_1h: 0.9731,
  hit_rate_24h: 0.9888,
  budget_used: 0.64,
  backlog_seconds: 83,
}

export const emptyOverview: Overview = {
  total_cached: 0,
  found_cached: 0,
  not_found_cached: 0,
  stale: 0,
  history_rows: 0,
  pending: 0,
  gave_up: 0,
  hit_rate_1h: null,
  hit_rate_24h: null,
  budget_used: null,
  backlog_seconds: null,
}

/** A wave that looks like a day at work, the same each time. */
function wave(length: number, height: number, shift: number): number[] {
  return Array.from({ length }, (_, place) =>
    Math.max(
      0,
      Math.round(height * (0.55 + 0.4 * Math.sin(place / 9 + shift) + 0.12 * Math.sin(place * 1.7))),
    ),
  )
}

function chartOf(name: Chart['name'], title: string, unit: string, series: Chart['series']): Chart {
  const length = series[0]?.values.length ?? 0
  const at = Array.from({ length }, (_, place) => before((length - place) * 10 * minute))
  return { name, title, unit, bucket_seconds: 600, at, series }
}

export const charts: readonly Chart[] = [
  chartOf('lookups', 'Lookups', 'lookups per 10 minutes', [
    { label: 'hit', values: wave(12, 5200, 0) },
    { label: 'stale', values: wave(12, 240, 1) },
    { label: 'negative', values: wave(12, 160, 2) },
    { label: 'miss', values: wave(12, 420, 3) },
  ]),
  chartOf('requests', 'Requests to OpenFIGI', 'requests per 10 minutes', [
    { label: '200', values: wave(12, 210, 3) },
    {
      label: '429',
      values: wave(12, 210, 3).map((value, place) => (place % 40 === 7 ? Math.round(value / 4) : 0)),
    },
    { label: '5xx', values: wave(12, 9, 5).map((value) => (value > 7 ? value : 0)) },
  ]),
  chartOf('changes', 'Ticker changes', 'changes per 10 minutes', [
    { label: 'first seen', values: wave(12, 40, 3) },
    { label: 'renamed', values: wave(12, 4, 1) },
    { label: 'retired', values: wave(12, 2, 2) },
    { label: 'revived', values: wave(12, 1, 5) },
  ]),
  chartOf('growth', 'Growth', 'rows', [
    { label: 'mappings', values: Array.from({ length: 12 }, (_, place) => 940_000 + place * 250) },
    { label: 'negatives', values: Array.from({ length: 12 }, (_, place) => 23_000 + place * 8) },
    { label: 'stale', values: wave(12, 9000, 1).map((value) => 24_000 + value) },
  ]),
]

/** The same charts without a single figure. */
export const emptyCharts: readonly Chart[] = charts.map((each) => ({
  ...each,
  at: [],
  series: each.series.map(({ label }) => ({ label, values: [] })),
}))

export function period(more: Partial<Period> = {}): Period {
  return {
    ticker: 'META',
    has_no_results: false,
    start_date: '2022-06-09T00:00:00.000Z',
    end_date: null,
    last_fetched_date: before(3 * days),
    name: 'META PLATFORMS INC-CLASS A',
    figi: 'BBG000MM2P62',
    composite_figi: 'BBG000MM2P62',
    share_class_figi: 'BBG001SQCQC5',
    exch_code: 'US',
    security_type: 'Common Stock',
    security_type2: 'Common Stock',
    market_sector: 'Equity',
    source: 'openfigi',
    alternatives: null,
    ...more,
  }
}

const rival = {
  figi: 'BBG00R1V4L01',
  ticker: 'METAB',
  name: 'META PLATFORMS INC-CLASS B',
  exchCode: 'US',
  compositeFIGI: 'BBG00R1V4L01',
  shareClassFIGI: 'BBG001SR1V41',
  securityType: 'Common Stock',
  securityType2: 'Common Stock',
  marketSector: 'Equity',
  securityDescription: 'METAB',
}

export const meta: IdentifierDetails = {
  identifier_type: 'CUSIP',
  identifier_value: '30303M102',
  status: 'hit',
  resolved_via: 'CUSIP',
  current: period({ alternatives: [rival] }),
  stale_at: before(-87 * days),
  history: [
    period({
      ticker: 'FB',
      name: 'FACEBOOK INC-A',
      start_date: '2012-05-18T00:00:00.000Z',
      end_date: '2021-10-28T00:00:00.000Z',
      source: 'sec_ftd',
      figi: null,
    }),
    period({
      ticker: 'FB',
      start_date: '2021-10-28T00:00:00.000Z',
      end_date: '2022-06-09T00:00:00.000Z',
      source: 'import',
    }),
    period({ alternatives: [rival] }),
  ],
  request: null,
}

export function request(more: Partial<QueuedRequest> = {}): QueuedRequest {
  return {
    identifier_type: 'CUSIP',
    identifier_value: '037833100',
    priority: 'lookup',
    state: 'waiting',
    requested_at: before(95),
    not_before: null,
    attempts: 0,
    last_error: null,
    gave_up_at: null,
    ...more,
  }
}

export const gaveUp = request({
  identifier_value: '594918104',
  state: 'gave up',
  attempts: 5,
  last_error: 'OpenFIGI answered with an error for this identifier: Invalid idValue format.',
  requested_at: before(2 * hour),
  gave_up_at: before(14 * minute),
})

/** One that is stale, waits to be fetched and has changed every other month. */
export const restless: IdentifierDetails = {
  ...meta,
  identifier_type: 'ISIN',
  identifier_value: 'US5949181045',
  status: 'stale',
  resolved_via: 'CUSIP',
  history: Array.from({ length: 10 }, (_, place) =>
    period({
      ticker: place === 4 ? null : `RST${place}`,
      has_no_results: place === 4,
      name: place === 4 ? null : `RESTLESS ${place} INC`,
      start_date: before((10 - place) * 61 * days),
      end_date: place === 9 ? null : before((9 - place) * 61 * days + (place === 6 ? 25 * days : 0)),
    }),
  ),
  current: period({ ticker: 'RST9', name: 'RESTLESS 9 INC', start_date: before(61 * days) }),
  stale_at: before(2 * days),
  request: gaveUp,
}

export const negativeIdentifier: IdentifierDetails = {
  ...meta,
  identifier_value: '000000AA5',
  status: 'negative',
  current: period({
    ticker: null,
    has_no_results: true,
    name: null,
    figi: null,
    start_date: before(3 * days),
  }),
  history: [
    period({ ticker: null, has_no_results: true, name: null, figi: null, start_date: before(3 * days) }),
  ],
  request: request({ state: 'fetching' }),
}

export const bearers: readonly Bearer[] = [
  {
    identifier_type: 'CUSIP',
    identifier_value: '30303M102',
    ticker: 'META',
    name: 'META PLATFORMS INC-CLASS A',
    start_date: '2022-06-09T00:00:00.000Z',
    end_date: null,
  },
  {
    identifier_type: 'ISIN',
    identifier_value: 'US30303M1027',
    ticker: 'META',
    name: 'META PLATFORMS INC-CLASS A',
    start_date: '2022-06-09T00:00:00.000Z',
    end_date: null,
  },
  {
    identifier_type: 'CUSIP',
    identifier_value: '53656F417',
    ticker: 'META',
    name: 'ROUNDHILL BALL METAVERSE ETF',
    start_date: '2021-06-30T00:00:00.000Z',
    end_date: '2022-01-31T00:00:00.000Z',
  },
]

function change(more: Partial<Change>): Change {
  return {
    identifier_type: 'CUSIP',
    identifier_value: '30303M102',
    changed_at: before(40),
    kind: 'renamed',
    from_ticker: 'FB',
    to_ticker: 'META',
    name: 'META PLATFORMS INC-CLASS A',
    source: 'openfigi',
    ...more,
  }
}

export const changes: readonly Change[] = [
  change({}),
  change({
    identifier_value: '037833100',
    kind: 'first_seen',
    from_ticker: null,
    to_ticker: 'AAPL',
    name: 'APPLE INC',
    changed_at: before(3 * minute),
  }),
  change({
    identifier_value: '90184L102',
    kind: 'retired',
    from_ticker: 'TWTR',
    to_ticker: null,
    name: null,
    changed_at: before(7 * hour),
  }),
  change({
    identifier_type: 'ISIN',
    identifier_value: 'US62951P2056',
    kind: 'revived',
    from_ticker: null,
    to_ticker: 'BRK/B',
    name: 'BERKSHIRE HATHAWAY INC-CL B',
    changed_at: before(2 * days),
    source: 'import',
  }),
]

export const negatives: readonly Negative[] = ['000000AA5', '99Z99Z990', 'XS0000000000', '12345678X'].map(
  (identifier_value, place) => ({
    identifier_type: identifier_value.length === 12 ? 'ISIN' : 'CUSIP',
    identifier_value,
    last_fetched_date: before((place * 9 + 1) * hour),
    stale_at: before((place * 9 + 1) * hour - 7 * days),
  }),
)

export const waiting: readonly QueuedRequest[] = [
  request(),
  request({ identifier_value: '88160R101', state: 'fetching', requested_at: before(80) }),
  request({
    identifier_type: 'ISIN',
    identifier_value: 'US88160R1014',
    priority: 'warming',
    attempts: 2,
    not_before: before(-4 * minute),
    last_error: 'OpenFIGI answered with status 500: Internal Server Error',
  }),
  request({ identifier_value: '023135106', priority: 'refresh', requested_at: before(20 * minute) }),
]

export const work: Work = {
  processes: [
    {
      kind: 'worker',
      host: 'app-1',
      pid: 4121,
      version: '0.2.0',
      started_at: before(3 * days),
      seen_at: before(4),
    },
    {
      kind: 'client',
      host: 'app-1',
      pid: 4122,
      version: '0.2.0',
      started_at: before(3 * days),
      seen_at: before(2),
    },
    {
      kind: 'client',
      host: 'etl-7',
      pid: 90_233,
      version: '0.1.0',
      started_at: before(hour),
      seen_at: before(8),
    },
  ],
  jobs: [
    {
      id: '88123',
      task: 'fetch_mappings',
      state: 'running',
      run_at: before(5),
      attempts: 1,
      max_attempts: 25,
      locked_at: before(4),
      last_error: null,
    },
    {
      id: '88110',
      task: 'fetch_mappings',
      state: 'dead worker',
      run_at: before(5 * hour),
      attempts: 1,
      max_attempts: 25,
      locked_at: before(5 * hour),
      last_error: null,
    },
    {
      id: '87001',
      task: 'refresh_stale_mappings',
      state: 'failed',
      run_at: before(days),
      attempts: 25,
      max_attempts: 25,
      locked_at: null,
      last_error: 'canceling statement due to statement timeout',
    },
  ],
  cron: [
    { task: 'refresh_stale_mappings', schedule: '7 * * * *', last_run_at: before(34 * minute) },
    { task: 'fetch_mappings', schedule: '* * * * *', last_run_at: null },
  ],
}

export const actions: readonly Action[] = [
  {
    acted_at: before(3 * minute),
    who: 'ann',
    address: '10.2.0.17',
    action: 'fetch',
    subject: 'CUSIP 30303M102',
    outcome: 'It will be fetched next.',
  },
  {
    acted_at: before(2 * days),
    who: 'ben',
    address: '10.2.0.18',
    action: 'retry_all',
    subject: '',
    outcome: '12 requests will be made again.',
  },
]

export const hostileTexts = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  '\u202egnitrats\u2066 ticker\u0000\u0007\u200b',
  `${'W'.repeat(10_000)}`,
  '</script></svg></title><hx-partial hx-get="/x">',
  "' autofocus onfocus=alert(1) x='",
  '\ud800 half a pair',
] as const

/** Every text from elsewhere replaced by that one. */
export function hostileIdentifier(text: string): IdentifierDetails {
  const hostile = period({
    ticker: text,
    name: text,
    figi: text,
    composite_figi: text,
    share_class_figi: text,
    exch_code: text,
    security_type: text,
    security_type2: text,
    market_sector: text,
    source: text,
    alternatives: [{ ticker: text, name: text, figi: text, exchCode: text, securityType: text }],
  })
  return {
    identifier_type: 'CUSIP',
    identifier_value: '30303M102',
    status: 'stale',
    resolved_via: 'CUSIP',
    current: hostile,
    stale_at: before(days),
    history: [{ ...hostile, start_date: before(900 * days), end_date: before(400 * days) }, hostile],
    request: request({ state: 'gave up', last_error: text, gave_up_at: before(60) }),
  }
}
