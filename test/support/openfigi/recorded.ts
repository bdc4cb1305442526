/** Answers from recorded traffic. The recordings lie outside of the repository: where they are missing, tests say so. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { narrow } from './securities.ts'
import { type Job, NOT_FOUND, type WireAnswer, type WireListing } from './wire.ts'

export interface Exchange {
  readonly name: string
  readonly request: { url: string; method: string; headers: Record<string, string>; bodyJson?: Job[] }
  readonly response: {
    status: number
    headers: Record<string, string>
    bodyJson?: unknown
    bodyText?: string
  }
}

export interface Recorded {
  /** The answer bodies of `body_<name>.json`, by name. */
  readonly bodies: ReadonlyMap<string, WireAnswer[]>
  /** The pairs of request and response of every other file, by file name without `.json`. */
  readonly exchanges: ReadonlyMap<string, Exchange>
  answer(job: Job, securityKey: string): WireAnswer | null
}

/** Which security a body is about: the answers do not say. Body, element, CUSIP. */
const SUBJECTS = [
  ['isin_example', 0, '459200101'],
  ['bulk_request', 1, '037833100'],
] as const

/** `<repository>/../shared/data/openfigi/recorded` or what PGFIGI_RECORDED names; null where neither exists. */
export function recordedFolder(): string | null {
  const folder =
    process.env.PGFIGI_RECORDED ?? join(import.meta.dirname, '../../../../shared/data/openfigi/recorded')
  return existsSync(folder) ? folder : null
}

/** Null where the folder does not exist. */
export function replayRecorded(folder: string | null): Recorded | null {
  if (folder === null || !existsSync(folder)) return null
  const bodies = new Map<string, WireAnswer[]>()
  const exchanges = new Map<string, Exchange>()
  const answers = new Map<string, WireAnswer>()
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
    const content = JSON.parse(readFileSync(join(folder, file), 'utf8'))
    const name = file.slice(0, -'.json'.length)
    if (name.startsWith('body_')) {
      bodies.set(name.slice('body_'.length), content)
      continue
    }
    exchanges.set(name, { name, ...content })
    const { request, response } = content as Exchange
    if (response.status !== 200 || !Array.isArray(request.bodyJson)) continue
    request.bodyJson.forEach((job, i) => {
      answers.set(JSON.stringify(job), (response.bodyJson as WireAnswer[])[i] ?? NOT_FOUND)
    })
  }
  const listings = new Map<string, WireListing[]>()
  for (const [name, element, key] of SUBJECTS) {
    const answer = bodies.get(name)?.[element]
    if (answer && 'data' in answer) listings.set(key, answer.data)
  }
  return {
    bodies,
    exchanges,
    answer(job, securityKey) {
      const exact = answers.get(JSON.stringify(job))
      if (exact) return exact
      const found =
        job.idType === 'ID_CUSIP' || job.idType === 'ID_ISIN' ? listings.get(securityKey) : undefined
      if (!found) return null
      const data = narrow(found, job)
      return data.length > 0 ? { data } : NOT_FOUND
    },
  }
}
