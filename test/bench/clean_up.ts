import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const works: (() => Promise<unknown>)[] = []
let cleaning: Promise<void> = Promise.resolve()

/** Aborts when the run is interrupted: for the processes that a measurement starts. */
export const interruption = new AbortController()

/**
 * Runs after the measurement, also where that fails or is interrupted; the last one registered runs first. Register it in
 * the same breath as what it puts away is made: whatever is awaited in between may fail.
 */
export function afterMeasurement(work: () => Promise<unknown>): void {
  works.push(work)
}

/** A folder for what this measurement writes, deleted after it. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `pgfigi-${name}-`))
  // A process that was just told to end may still write.
  afterMeasurement(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

/** Fails where one of the clean-ups has, after all of them have run. */
export function cleanUp(): Promise<void> {
  cleaning = cleaning.then(runLast, runLast)
  return cleaning
}

async function runLast(): Promise<void> {
  const work = works.pop()
  if (!work) return
  try {
    await work()
  } finally {
    await runLast()
  }
}
