import { gaugeDefinitions, Metrics } from '../../src/http/metrics.ts'

/** Every name that /metrics may show, as queries write them. */
export async function metricNames(): Promise<Set<string>> {
  const { text } = await new Metrics().exposition({
    isUp: true,
    totals: [],
    gauges: Object.entries(gaugeDefinitions).map(([gauge, { labels }]) => ({
      gauge,
      labels: Object.fromEntries(labels.map((label) => [label, 'x'])),
      value: 1,
    })),
    checks: [{ name: 'laws', status: 'ok', value: 0 }],
  })
  const found = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].flatMap(([, name = '', type]) =>
    type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  )
  return new Set(found)
}
