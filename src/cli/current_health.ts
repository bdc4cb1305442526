import { connect, type Sql } from '../database/connect.ts'
import { queryDeadlineMs, within } from '../database/deadline.ts'
import { runningEmbedded } from '../database/embedded.ts'
import { failedCheck, failing, healthChecks, reportOf } from '../database/health.ts'
import { latestMigration } from '../database/migrations_folder.ts'
import type { Health } from '../http/models.ts'
import type { Context } from './context.ts'
import { commandLine } from './invocation.ts'
import { plainly } from './report.ts'

/** So long may it take to read all mappings. */
const wholeDeadlineMs = 3_600_000

/** The health of the database as it is: one that does not run or answer is a check that fails, and is not brought up. */
export async function currentHealth(context: Context, { whole }: { whole: boolean }): Promise<Health> {
  const config = await context.config()
  const url = config.databaseUrl ?? (await runningEmbedded(config.home))?.url
  if (url === undefined) {
    const start = commandLine('start', config)
    const sentence = `The embedded database in ${config.home} does not run: start it with \`${start}\`, or set DATABASE_URL.`
    return reportOf([failing('database', sentence)])
  }
  let sql: Sql | undefined
  const stop = () => void sql?.end({ timeout: 0 })
  context.signal.addEventListener('abort', stop, { once: true })
  try {
    sql = connect(url, { max: 1, applicationName: 'pgfigi health', prepare: config.client.prepare })
    const checks = healthChecks(sql, { whole, latestMigration: await latestMigration() })
    return reportOf(await within(whole ? wholeDeadlineMs : queryDeadlineMs, 'health_checks', checks))
  } catch (error) {
    context.signal.throwIfAborted()
    return reportOf([failedCheck(error, await plainly(error, context))])
  } finally {
    context.signal.removeEventListener('abort', stop)
    await sql?.end({ timeout: 0 })
  }
}
