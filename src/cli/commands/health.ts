import { styleText } from 'node:util'
import { type Command, Option } from 'commander'
import type { HealthStatus } from '../../database/health.ts'
import type { Health, HealthCheck } from '../../http/models.ts'
import type { Context } from '../context.ts'
import { print, printable } from '../output.ts'

interface HealthOptions {
  readonly json?: boolean
  readonly whole?: boolean
  readonly failOn: 'warn' | 'fail'
}

const help = `
What each check means, and the settings of its thresholds, is in docs/health.md. Exit code 0: no check fails, 1: one does,
or the database cannot be asked. The embedded database is not brought up for it.

Examples:
  $ pgfigi health
  $ pgfigi health --fail-on warn > /dev/null || echo "look at it"
  $ pgfigi health --json | jq -r '.checks[] | select(.status != "ok") | .sentence'`

const styles: Readonly<Record<HealthStatus, 'green' | 'yellow' | 'red'>> = {
  ok: 'green',
  warn: 'yellow',
  fail: 'red',
}

export function addHealth(program: Command, context: Context): void {
  program
    .command('health')
    .summary('whether all is well, and what to do where it is not')
    .description('Prints the health checks with what they measured, and on a terminal the worst first.')
    .option('--json', 'one JSON object: {"status", "checked_at", "checks": [...]}')
    .option('--whole', 'read all mappings for the check of the laws, not only a sample: it may take minutes')
    .addOption(
      new Option('--fail-on <status>', 'from which status on to exit with 1')
        .choices(['warn', 'fail'])
        .default('fail'),
    )
    .addHelpText('after', help)
    .action(async (options: HealthOptions) => {
      context.exitCode = await health(options, context)
    })
}

async function health({ json, whole = false, failOn }: HealthOptions, context: Context): Promise<number> {
  const { currentHealth } = await import('../current_health.ts')
  const report = await currentHealth(context, { whole })
  if (json) await print(context, JSON.stringify(report))
  else await printTable(report, context)
  return report.status === 'fail' || report.status === failOn ? 1 : 0
}

async function printTable({ checks }: Health, context: Context): Promise<void> {
  const { worstFirst } = await import('../../database/health.ts')
  const { stdout } = context
  if (!stdout.isTTY) {
    for (const check of checks)
      await print(context, [check.name, check.status, measured(check), printable(check.sentence)].join('\t'))
    return
  }
  for (const check of worstFirst(checks)) {
    const status = styleText(styles[check.status], check.status.padEnd(6), { stream: stdout })
    await print(context, `${status}${check.name.padEnd(16)}${measured(check).padEnd(18)}`.trimEnd())
    await print(context, `      ${printable(check.sentence)}`)
  }
}

/** `12 s`, `34%`, `3 requests` */
function measured({ value, unit }: HealthCheck): string {
  if (value === null) return '-'
  if (unit === 'seconds') return `${value.toLocaleString('en-US')} s`
  if (unit === 'share') return `${Math.round(value * 1000) / 10}%`
  return `${value.toLocaleString('en-US')} ${unit}`
}
