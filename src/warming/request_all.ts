import type { WarmingCounts } from '../database/warming.ts'

/** What became of everything that was read. */
export interface WarmingSummary extends WarmingCounts {
  readonly read: number
}

/** One statement requests so many: enough to be quick, and little memory. */
export const valuesAtOnce = 20_000

/** Requests what is not known, a bounded number at a time; `onProgress` is told after each. */
export async function requestAll(
  values: AsyncIterable<string>,
  request: (values: readonly string[]) => Promise<WarmingCounts>,
  onProgress: (soFar: WarmingSummary) => void,
): Promise<WarmingSummary> {
  let summary: WarmingSummary = { read: 0, known: 0, waiting: 0, requested: 0, invalid: 0 }
  let batch: string[] = []
  const send = async () => {
    const { known, waiting, requested, invalid } = await request(batch)
    summary = {
      read: summary.read + batch.length,
      known: summary.known + known,
      waiting: summary.waiting + waiting,
      requested: summary.requested + requested,
      invalid: summary.invalid + invalid,
    }
    batch = []
    onProgress(summary)
  }
  for await (const value of values) {
    batch.push(value)
    if (batch.length === valuesAtOnce) await send()
  }
  if (batch.length > 0) await send()
  return summary
}
