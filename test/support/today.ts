import { setTimeout as sleep } from 'node:timers/promises'

const dayMs = 86_400_000

/** No test that asks for it takes longer. */
const longestTestMs = 60_000

/** The day in UTC, which no midnight ends before the test does: just before one, it is waited for. */
export async function lastingToday(): Promise<string> {
  const leftMs = dayMs - (Date.now() % dayMs)
  if (leftMs < longestTestMs) await sleep(leftMs + 10)
  return new Date().toISOString().slice(0, 10)
}
