import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readAlerts } from '../operations/alerts.ts'
import { withPromtool } from '../operations/promtool.ts'

/** What each check says, as a number: 0 ok, 1 warn, 2 fail. */
type Statuses = Readonly<Record<string, number>>

/** Longer than any alert waits before it fires, in minutes. */
const longEnough = 62

/**
 * Has Prometheus evaluate our alerts while /metrics says the one for an hour, and then the other. Throws unless exactly the
 * alerts of the checks that are `expected` not to be well fire at the end of the first, and none at the end of the second.
 */
export async function evaluateAlerts(scraped: Statuses, mended: Statuses, expected: Statuses): Promise<void> {
  const alerts = await readAlerts()
  const firing = alerts.filter(({ check, status }) => check !== undefined && expected[check] === status)
  const series = { up: [1, 1], pgfigi_database_up: [1, 1] } as Record<string, [number, number]>
  const names = new Set([...Object.keys(scraped), ...Object.keys(mended)])
  const input = [
    ...Object.entries(series).map(([name, values]) => ({ series: `${name}{job="pgfigi"}`, values })),
    ...[...names].map((name) => ({
      series: `pgfigi_health_check_status{job="pgfigi", check="${name}"}`,
      values: [scraped[name] ?? Number.NaN, mended[name] ?? Number.NaN],
    })),
  ].map(({ series, values: [before, after] }) => ({
    series,
    values: `${before}x${longEnough} ${after}x${longEnough}`,
  }))
  const expr = 'count by (alertname, severity) (ALERTS{alertstate="firing"})'
  const rules = {
    rule_files: ['alerts.yml'],
    evaluation_interval: '1m',
    tests: [
      {
        interval: '1m',
        input_series: input,
        promql_expr_test: [
          {
            expr,
            eval_time: `${longEnough}m`,
            exp_samples: firing.map(({ name, severity }) => ({
              labels: `{alertname="${name}", severity="${severity}"}`,
              value: 1,
            })),
          },
          { expr, eval_time: `${2 * longEnough}m` },
        ],
      },
    ],
  }
  await withPromtool(async (folder, run) => {
    // JSON is YAML, too.
    await writeFile(join(folder, 'seen.test.yml'), JSON.stringify(rules))
    await run(['test', 'rules', 'seen.test.yml'])
  })
}
