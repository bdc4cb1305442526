/**
 * OpenFIGI as pgfigi asks it, in a process of its own. Every message { url, atOnce, jobs } is answered with what so many
 * rounds at once came to (outcomes by kind, errors by name), the most memory that the process had, and the longest time
 * for which it did nothing else.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Identifier } from '../../src/identifiers.ts'
import { createInProcessBudget } from '../../src/openfigi/budget.ts'
import { createOpenFigi } from '../../src/openfigi/fetch_round.ts'

export interface RoundsQuestion {
  readonly url: string
  readonly atOnce: number
  readonly jobs: number
}

export interface RoundsAnswer {
  readonly came: Record<string, number>
  readonly messages: string[]
  readonly mostMegabytes: number
  readonly stalledMs: number
}

process.on('message', async ({ url, atOnce, jobs }: RoundsQuestion) => {
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  await using openfigi = createOpenFigi({
    url,
    jobsPerRequest: 100,
    preference: ['US', 'home', 'any'],
    budget: createInProcessBudget({ capacity: 10_000, windowMs: 1 }),
    retries: { attempts: 2, baseMs: 1 },
    timeoutMs: 60_000,
  })
  const identifier = (n: number): Identifier => ({ type: 'CUSIP', value: String(100_000_000 + n) })
  const requests = Array.from({ length: jobs }, (_, n) => ({ identifier: identifier(n), unfiltered: true }))
  const rounds = Array.from({ length: atOnce }, () =>
    openfigi.fetchRound(requests).catch((error: Error) => [{ kind: error.name, message: error.message }]),
  )
  const outcomes = (await Promise.all(rounds)).flat()
  await new Promise((resolve) => setTimeout(resolve, 30))
  delay.disable()
  const came: Record<string, number> = {}
  for (const { kind } of outcomes) came[kind] = (came[kind] ?? 0) + 1
  const messages = outcomes.map((outcome) => ('message' in outcome ? outcome.message : ''))
  process.send?.({
    came,
    messages: [...new Set(messages)].slice(0, 10),
    mostMegabytes: Math.round(process.resourceUsage().maxRSS / 1024),
    stalledMs: Math.round(delay.max / 1e6),
  } satisfies RoundsAnswer)
})
process.once('SIGTERM', () => process.disconnect())
process.send?.('ready')
