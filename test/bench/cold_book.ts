import postgres from 'postgres'
import { parseConfig } from '../../src/config.ts'
import { type Input, OpenFIGIClient, type Resolution } from '../../src/index.ts'
import { silentLogger } from '../../src/log.ts'
import { mappingJob } from '../../src/openfigi/jobs.ts'
import { startWorker } from '../../src/worker/run.ts'
import { makeCusip } from '../support/identifiers_maker.ts'
import { Universe } from '../support/openfigi/universe.ts'
import { until } from '../support/until.ts'

export const rateLimit = { requests: 25, windowMs: 1400 }
export const latencyMs = 300
const jobsPerRequest = 100

/** Identifiers that nobody knows yet. */
export const coldBook = (count: number): string[] => Array.from({ length: count }, (_, n) => makeCusip(n))

/** How many requests are needed at the least: full ones, and full ones again for what the first market does not know. */
export function leastRequests(values: readonly string[]): number {
  const universe = new Universe({})
  const again = values.filter(
    (value) => !('data' in universe.answer(mappingJob({ type: 'CUSIP', value }, 'US'))),
  ).length
  return Math.ceil(values.length / jobsPerRequest) + Math.ceil(again / jobsPerRequest)
}

/**
 * The limit's own time: the least in which it lets so many requests be sent, the first of them at once, and the last be
 * answered. Of 25 in 1.4 s the 26th goes 1.4 s after the first.
 */
export function limitTime(requests: number): number {
  return Math.floor((requests - 1) / rateLimit.requests) * rateLimit.windowMs + latencyMs
}

const environment = (apiUrl: string) => ({
  OPENFIGI_API_URL: apiUrl,
  OPENFIGI_API_KEY: 'key',
  OPENFIGI_RATE_LIMIT: `${rateLimit.requests}/${rateLimit.windowMs}ms`,
})

/** From the call to the last answer, by a client that has connected before. */
export async function throughClient(
  url: string,
  apiUrl: string,
  values: readonly string[],
  resolveAll: (client: OpenFIGIClient, values: readonly Input[]) => Promise<Resolution[]>,
): Promise<number> {
  const { OPENFIGI_RATE_LIMIT: rateLimit } = environment(apiUrl)
  await using client = new OpenFIGIClient({
    ...{ dbUrl: url, apiUrl, apiKey: 'key', rateLimit, logger: silentLogger },
  })
  await client.resolve('connect')
  await client.pendingRequests()
  const began = performance.now()
  const answers = await resolveAll(client, values)
  const tookMs = performance.now() - began
  const unanswered = answers.filter(({ status }) => status !== 'hit' && status !== 'negative').length
  if (answers.length !== values.length || unanswered > 0) throw new Error(`${unanswered} are not answered`)
  return tookMs
}

/**
 * From the end of the statement in SQL that asks for all, whose commit wakes the worker, to the last answer in the database;
 * and what that statement took.
 */
export async function throughWorker(
  url: string,
  apiUrl: string,
  values: readonly string[],
): Promise<{ tookMs: number; askingMs: number }> {
  const sql = postgres(url, { max: 2, onnotice: () => {} })
  const worker = await startWorker(parseConfig(environment(apiUrl)), url, silentLogger)
  try {
    const askedAt = performance.now()
    await sql`select from public.resolve_mappings('CUSIP', ${values as string[]})`
    const began = performance.now()
    await until(
      'nothing waits',
      async () => (await sql`select waiting from figi_private.queue_size()`)[0]?.waiting === '0',
      120,
    )
    const tookMs = performance.now() - began
    const [known] = await sql<
      [{ count: number }]
    >`select count(*)::int as count from public.security_mappings`
    if (known.count !== values.length) throw new Error(`${known.count} of ${values.length} are known`)
    return { tookMs, askingMs: began - askedAt }
  } finally {
    await worker.stop()
    await sql.end({ timeout: 5 })
  }
}
