/** What can go wrong, on command: a queue of faults, of which the first that matches a request is the one it gets. */

import { isFiltered, type Job } from './wire.ts'

const KINDS = [
  'status', // an error status with its text
  'reset', // the connection is reset without an answer
  'hang', // no answer, ever
  'html', // 200 and a web page
  'truncated', // the connection ends in the middle of the body
  'wrongLength', // one answer too few (or `by` too many)
  'notJson', // 200, says application/json, and is not
  'emptyBody', // 200 and nothing
  'jobErrors', // 200 and {"error": ...} for every job
  'slowDrip', // the right answer, but in ten pieces over `overMs`
] as const

export type FaultKind = (typeof KINDS)[number]

export interface Fault {
  /** May be left out where a status is given. */
  kind?: FaultKind
  status?: number
  /** How many requests get it: 1, or, where a probability is given, any number. */
  times?: number
  probability?: number
  match?: (jobs: Job[]) => boolean
  /** Only requests that ask for one of these values. Like `filtered`, a match that can be sent over HTTP. */
  idValues?: string[]
  /** Only requests with a market filter (true) or without one (false). */
  filtered?: boolean
  body?: string
  /** The text of `jobErrors`. */
  message?: string
  /** Seconds for a 429 in place of those that are left of the window. */
  retryAfter?: number
  by?: number
  overMs?: number
}

export type ArmedFault = Fault & { kind: FaultKind; status: number; left: number }

export class Faults {
  #queue: ArmedFault[] = []
  #random = seededRandom()

  add(fault: Fault): void {
    const kind = fault.kind ?? (fault.status === undefined ? undefined : 'status')
    if (!kind || !KINDS.includes(kind))
      throw new TypeError(`a fault needs a status or a kind: ${KINDS.join(', ')}`)
    const status = fault.status ?? (kind === 'status' ? 500 : 200)
    const left = fault.times ?? (fault.probability === undefined ? 1 : Number.POSITIVE_INFINITY)
    this.#queue.push({ ...fault, kind, status, left })
  }

  /** The fault that this request gets, used up by it. */
  take(jobs: Job[]): ArmedFault | null {
    for (const fault of this.#queue) {
      if (fault.left <= 0 || !matches(fault, jobs)) continue
      if (fault.probability !== undefined && this.#random() >= fault.probability) continue
      fault.left--
      if (fault.left <= 0) this.#queue = this.#queue.filter((other) => other !== fault)
      return fault
    }
    return null
  }

  clear(): void {
    this.#queue = []
    this.#random = seededRandom()
  }

  get pending(): number {
    return this.#queue.length
  }
}

function matches(fault: Fault, jobs: Job[]): boolean {
  if (fault.match && !fault.match(jobs)) return false
  if (fault.idValues && !jobs.some((job) => fault.idValues?.includes(String(job.idValue)))) return false
  return fault.filtered === undefined || jobs.some(isFiltered) === fault.filtered
}

/** mulberry32: a run with a probability can be repeated. */
function seededRandom(seed = 20_240_229): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
