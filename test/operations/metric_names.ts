import { collectDefaultMetrics, Registry } from 'prom-client'
import { counters } from '../../src/counting/counters.ts'

const gauges = [
  'mappings',
  'stale_mappings',
  'ended_periods',
  'pending_requests',
  'gave_up_requests',
  'oldest_request_age_seconds',
  'budget_used_ratio',
  'budget_blocked_seconds',
  'worker_last_seen_timestamp_seconds',
  'backlog_seconds',
  'health_check_status',
  'health_check_value',
  'database_up',
]

/** Every name that /metrics may show, as queries write them. */
export function metricNames(): Set<string> {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'pgfigi_' })
  const ofProcess = registry.getMetricsAsArray().flatMap(({ name, type }) => {
    // The library keeps the enum's values from being told apart by type alone.
    const isHistogram = String(type) === 'histogram'
    return isHistogram ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name]
  })
  const counted = Object.keys(counters).map((name) =>
    name === 'budget_wait_milliseconds' ? 'budget_wait_seconds' : name,
  )
  return new Set([
    ...counted.map((name) => `pgfigi_${name}_total`),
    ...gauges.map((name) => `pgfigi_${name}`),
    ...ofProcess,
  ])
}
