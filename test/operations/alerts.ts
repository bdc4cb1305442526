import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../support/cluster.ts'

export interface Alert {
  readonly name: string
  readonly expression: string
  readonly severity: string | undefined
  /** The health check that it looks at. */
  readonly check: string | undefined
  /** The status of the check at which it fires: 1 warns, 2 fails. */
  readonly status: number | undefined
  /** The name of a file of docs/runbooks, without its ending. */
  readonly runbook: string | undefined
}

/** The alerts of docs/prometheus/alerts.yml, read line by line as it is written; promtool knows whether it is YAML. */
export async function readAlerts(): Promise<Alert[]> {
  const text = await readFile(join(packageRoot, 'docs', 'prometheus', 'alerts.yml'), 'utf8')
  const runbooks = new Map<string, string>()
  return text
    .split(/^ {6}- alert: /m)
    .slice(1)
    .map((entry) => {
      const first = (pattern: RegExp) => pattern.exec(entry)?.[1]
      const anchor = first(/annotations: &(\w+)/)
      const written = first(/runbook_url: .*runbooks\/(\w+)/)
      if (anchor && written) runbooks.set(anchor, written)
      const expression = first(/^ +expr: (.+)$/m) ?? ''
      const [, check, status] = /^pgfigi_health_check_status\{check="(\w+)"\} == (\d)$/.exec(expression) ?? []
      return {
        name: first(/^(\w+)/) ?? '',
        expression,
        severity: first(/severity: (\w+)/),
        check,
        status: status === undefined ? undefined : Number(status),
        runbook: written ?? runbooks.get(first(/annotations: \*(\w+)/) ?? ''),
      }
    })
}
