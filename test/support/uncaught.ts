import { setTimeout as sleep } from 'node:timers/promises'

/** What would have ended the process, meanwhile and soon after. */
export async function uncaughtDuring(work: () => Promise<void>): Promise<unknown[]> {
  const caught: unknown[] = []
  const keep = (error: unknown) => caught.push((error as Error).stack)
  process.on('uncaughtException', keep)
  try {
    await work()
    await sleep(50)
  } finally {
    process.off('uncaughtException', keep)
  }
  return caught
}
