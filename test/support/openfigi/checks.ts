/** What OpenFIGI looks at before it answers: the key, the request, the jobs. */

import type { IncomingMessage } from 'node:http'
import type { Limit } from './window.ts'
import type { Job } from './wire.ts'

/** One limit for all, or one with and one without a key. */
export type LimitOption = Limit | { key?: Limit | undefined; noKey?: Limit | undefined } | undefined

const LARGEST_BODY = 4 * 1024 * 1024

export function limitsOf(limit: LimitOption): { key: Limit; noKey: Limit } {
  const both = limit && 'requests' in limit ? limit : undefined
  const each = limit && 'requests' in limit ? undefined : limit
  return {
    key: both ?? each?.key ?? { requests: 25, windowMs: 6000 },
    noKey: both ?? each?.noKey ?? { requests: 25, windowMs: 60_000 },
  }
}

export function accepts(apiKeys: readonly string[] | undefined, key: string): boolean {
  return apiKeys ? apiKeys.includes(key) : key !== '' && key !== 'INVALID'
}

export function checkRequest(request: IncomingMessage, body: string): number | null {
  if (request.method !== 'POST') return 405
  const accept = request.headers.accept ?? '*/*'
  if (!/\*\/\*|application\/(\*|json)|text\/json/i.test(accept)) return 406
  const type = request.headers['content-type'] ?? ''
  if (!/^(application|text)\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(type)) return 415
  return body.length > LARGEST_BODY ? 413 : null
}

/** The number of jobs is looked at before the jobs themselves. */
export function checkJobs(jobs: Job[] | null, cap: number, isPoisoned: (job: Job) => boolean): number | null {
  if (jobs === null) return 400
  if (jobs.length > cap) return 413
  return jobs.every((job) => isJob(job) && !isPoisoned(job)) ? null : 400
}

export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/** The jobs of a body, or null where OpenFIGI says "Bad request.". What it says to [] nobody recorded: we take it as bad. */
export function parseJobs(body: string): Job[] | null {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return null
  }
  return Array.isArray(value) && value.length > 0 ? value : null
}

export function isJob(value: unknown): value is Job {
  if (typeof value !== 'object' || value === null) return false
  const job = value as Partial<Record<keyof Job, unknown>>
  if (typeof job.idType !== 'string' || job.idType === '') return false
  if (typeof job.idValue !== 'string' && !Number.isInteger(job.idValue)) return false
  for (const key of ['exchCode', 'micCode', 'marketSecDes', 'securityType', 'securityType2'] as const) {
    if (job[key] !== undefined && job[key] !== null && typeof job[key] !== 'string') return false
  }
  return !(job.exchCode && job.micCode)
}
