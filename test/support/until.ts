import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until it is so, which other processes see to; the milliseconds that took. Fails where it takes too long. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  seconds = 60,
): Promise<number> {
  const began = performance.now()
  while (!(await isSo())) {
    if (performance.now() - began > seconds * 1000) throw new Error(`not within ${seconds} s: ${what}`)
    await sleep(25)
  }
  return performance.now() - began
}
