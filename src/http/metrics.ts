import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { type CounterDefinition, type CounterName, counters } from '../counting/counters.ts'

/** How often something has happened since counting began. */
export interface MetricTotal {
  readonly counter: string
  readonly labels: Readonly<Record<string, string>>
  readonly total: number
}

/** What is, just now. */
export interface MetricGauge {
  readonly gauge: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface MetricCheck {
  readonly name: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly value: number | null
}

/** What the database says for `/metrics`; null where it could not be asked. */
export interface Measured {
  /** Whether it answers, be it with an error. */
  readonly isUp: boolean
  readonly totals: readonly MetricTotal[] | null
  readonly gauges: readonly MetricGauge[] | null
  readonly checks: readonly MetricCheck[] | null
}

export interface Exposition {
  readonly type: string
  readonly text: string
}

/** Of figi_private.gauges, by name. */
export const gaugeDefinitions: Readonly<Record<string, CounterDefinition>> = {
  mappings: { help: 'Identifiers with a current answer, by kind (found, negative).', labels: ['kind'] },
  stale_mappings: { help: 'Current answers that are past their age.', labels: [] },
  ended_periods: { help: 'Periods that have ended.', labels: [] },
  pending_requests: {
    help: 'Identifiers that wait to be fetched, by priority (lookup, warming, refresh).',
    labels: ['priority'],
  },
  gave_up_requests: {
    help: 'Identifiers that OpenFIGI keeps answering with an error, and that wait for somebody to say so.',
    labels: [],
  },
  oldest_request_age_seconds: {
    help: 'How long the oldest request has waited; 0 where none waits.',
    labels: [],
  },
  budget_used_ratio: { help: 'Share of the request limit in use, 0 to 1.', labels: [] },
  budget_blocked_seconds: {
    help: 'How much longer OpenFIGI is not to be asked; 0 where it may be.',
    labels: [],
  },
  worker_last_seen_timestamp_seconds: { help: 'When a worker last gave a sign of life.', labels: [] },
  backlog_seconds: { help: 'How long what waits takes at the full limit.', labels: [] },
}

/** The counter that is exported in seconds, as Prometheus wants its units. */
const inSeconds: Partial<Record<CounterName, string>> = { budget_wait_milliseconds: 'budget_wait_seconds' }

const severity = { ok: 0, warn: 1, fail: 2 } as const

/** Gauges of prom-client's that are named like counters; each has a twin with its kinds, whose sum says the same. */
const misnamed = ['handles', 'requests', 'resources'] as const

/** This process's own metrics, and around them what the database says at each scrape. */
export class Metrics {
  readonly #process = new Registry()

  constructor() {
    collectDefaultMetrics({ register: this.#process, prefix: 'pgfigi_' })
    for (const name of misnamed) this.#process.removeSingleMetric(`pgfigi_nodejs_active_${name}_total`)
  }

  async exposition(measured: Measured): Promise<Exposition> {
    const registry = Registry.merge([this.#process, registryOf(measured)])
    return { type: registry.contentType, text: await registry.metrics() }
  }
}

/** Totals come whole from the database: so each scrape has counters of its own, which begin at zero. */
function registryOf({ isUp, totals, gauges, checks }: Measured): Registry {
  const registry = new Registry()
  const registers = [registry]
  new Gauge({
    name: 'pgfigi_database_up',
    help: 'Whether the database answers: 1, or 0.',
    registers,
  }).set(isUp ? 1 : 0)
  if (totals !== null) addTotals(registry, totals)
  if (gauges !== null) addGauges(registry, gauges)
  if (checks !== null) addChecks(registry, checks)
  return registry
}

function addTotals(registry: Registry, totals: readonly MetricTotal[]): void {
  for (const [name, { help, labels }] of Object.entries(counters)) {
    const seconds = inSeconds[name as CounterName]
    const metric = new Counter({
      name: `pgfigi_${seconds ?? name}_total`,
      help: seconds === undefined ? help : help.replace('Milliseconds', 'Seconds'),
      labelNames: [...labels],
      registers: [registry],
    })
    for (const { labels: values, total } of totals.filter(({ counter }) => counter === name))
      metric.inc(chosen(values, labels), seconds === undefined ? total : total / 1000)
  }
}

function addGauges(registry: Registry, gauges: readonly MetricGauge[]): void {
  for (const [name, { help, labels }] of Object.entries(gaugeDefinitions)) {
    const values = gauges.filter(({ gauge }) => gauge === name)
    if (values.length === 0) continue // Unknown, which is not the same as zero.
    const metric = new Gauge({ name: `pgfigi_${name}`, help, labelNames: [...labels], registers: [registry] })
    for (const { labels: given, value } of values) metric.set(chosen(given, labels), value)
  }
}

function addChecks(registry: Registry, checks: readonly MetricCheck[]): void {
  const of = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ['check'], registers: [registry] })
  const status = of('pgfigi_health_check_status', 'Health checks: 0 ok, 1 warn, 2 fail.')
  const value = of('pgfigi_health_check_value', 'What each health check measured, in its unit.')
  for (const check of checks) {
    status.set({ check: check.name }, severity[check.status])
    if (check.value !== null) value.set({ check: check.name }, check.value)
  }
}

/** The labels that a metric is known to have, and no others: their number must stay small. */
function chosen(values: Readonly<Record<string, string>>, labels: readonly string[]): Record<string, string> {
  return Object.fromEntries(labels.map((label) => [label, values[label] ?? '']))
}
