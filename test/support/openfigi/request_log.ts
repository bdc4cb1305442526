/** What was asked, when, and with what result. Keys appear as fingerprints only. */

import { createHash } from 'node:crypto'
import { isFiltered, type Job, type WireAnswer } from './wire.ts'

export interface LogEntry {
  /** Milliseconds on the simulator's own clock, when the whole request had arrived. */
  readonly at: number
  readonly date: string
  readonly method: string
  readonly path: string
  /** Null while unanswered, and for ever where a fault resets the connection or hangs. */
  status: number | null
  /** The first eight digits of the key's SHA-256, or 'none'. */
  readonly key: string
  /** Left empty where the simulator was told not to keep jobs. */
  readonly jobs: readonly Job[]
  readonly jobCount: number
  readonly filtered: boolean
  /** Whether it took one from the window. */
  counted: boolean
  fault: string | null
  found: number
  warnings: number
  errors: number
}

export function fingerprint(key: string | undefined): string {
  return key === undefined ? 'none' : createHash('sha256').update(key).digest('hex').slice(0, 8)
}

export class RequestLog {
  readonly entries: LogEntry[] = []
  readonly #keepJobs: boolean

  constructor(keepJobs: boolean) {
    this.#keepJobs = keepJobs
  }

  add(entry: Pick<LogEntry, 'at' | 'method' | 'path' | 'key'>, jobs: readonly Job[]): LogEntry {
    const added: LogEntry = {
      at: entry.at,
      date: new Date().toISOString(),
      method: entry.method,
      path: entry.path,
      status: null,
      key: entry.key,
      jobs: this.#keepJobs ? jobs : [],
      jobCount: jobs.length,
      filtered: jobs.some(isFiltered),
      counted: false,
      fault: null,
      found: 0,
      warnings: 0,
      errors: 0,
    }
    this.entries.push(added)
    return added
  }

  countByStatus(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const { status } of this.entries) {
      const name = status === null ? 'unanswered' : String(status)
      counts[name] = (counts[name] ?? 0) + 1
    }
    return counts
  }

  /** The most requests that arrived within any stretch of so many milliseconds (its end excluded), 429s included. */
  maxInWindow(milliseconds: number, of: readonly LogEntry[] = this.entries): number {
    const times = of.map((entry) => entry.at).sort((a, b) => a - b)
    let first = 0
    let most = 0
    for (const [last, time] of times.entries()) {
      while (time - (times[first] ?? time) >= milliseconds) first++
      most = Math.max(most, last - first + 1)
    }
    return most
  }

  summary() {
    const total = (field: 'jobCount' | 'found' | 'warnings' | 'errors') =>
      this.entries.reduce((sum, entry) => sum + entry[field], 0)
    return {
      requests: this.entries.length,
      filteredRequests: this.entries.filter((entry) => entry.filtered).length,
      byStatus: this.countByStatus(),
      jobs: total('jobCount'),
      found: total('found'),
      warnings: total('warnings'),
      errors: total('errors'),
    }
  }
}

export function countAnswers(entry: LogEntry, answers: readonly WireAnswer[]): void {
  for (const answer of answers) {
    if ('data' in answer) entry.found++
    else if ('warning' in answer) entry.warnings++
    else entry.errors++
  }
}
