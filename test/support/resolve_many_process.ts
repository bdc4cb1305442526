/**
 * Resolves a stream of known identifiers and keeps nothing; the argument is { dbUrl, values, count }.
 * Asked for anything, it answers with what that took.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { OpenFIGIClient } from '../../src/index.ts'
import { programArgument } from './program_argument.ts'

export interface StreamAnswer {
  readonly hits: number
  /** The most that had been read of the source beyond what the consumer had taken. */
  readonly mostAhead: number
  readonly peakMegabytes: number
}

const { dbUrl, values, count } = programArgument() as {
  dbUrl: string
  values: string[]
  count: number
}
let read = 0
let taken = 0
let mostAhead = 0

async function* source() {
  while (read < count) {
    mostAhead = Math.max(mostAhead, ++read - taken)
    yield values[read % values.length] as string
  }
}

process.once('message', async () => {
  await using client = new OpenFIGIClient({ dbUrl })
  let hits = 0
  for await (const row of client.resolveMany(source())) {
    taken += 1
    if (row.status === 'hit') hits += 1
    if (taken % 50_000 === 1) await sleep(200) // a slow consumer: what is read meanwhile is read ahead
  }
  const peakMegabytes = process.resourceUsage().maxRSS / 1024
  process.send?.({ hits, mostAhead, peakMegabytes } satisfies StreamAnswer)
  process.disconnect()
})
process.send?.('ready')
