import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../package_root.ts'

/** A line of the crontab that workers run. */
export interface CrontabLine {
  readonly task: string
  /** In the form of crontab(5), in UTC. */
  readonly schedule: string
}

/** What workers run by the clock, as the package brings it. */
export async function readCrontab(file = join(packageRoot, 'crontab')): Promise<CrontabLine[]> {
  const lines = (await readFile(file, 'utf8')).split('\n')
  return lines.flatMap((line) => {
    const [, schedule, task] = /^\s*((?:[\d*/,-]+\s+){4}[\d*/,-]+)\s+(\w+)/.exec(line) ?? []
    return schedule && task ? [{ task, schedule: schedule.replace(/\s+/g, ' ') }] : []
  })
}
