import type { Config } from '../config.ts'
import type { Enricher } from '../enrich/enricher.ts'
import { timeAtLimit } from '../openfigi/time_at_limit.ts'
import { duration, type Progress } from './progress.ts'

/** Moves the bar to what is written, and says how long OpenFIGI's limit still takes for what is to be fetched. */
export function showProgress(enricher: Enricher, progress: Progress, size: number, config: Config): void {
  const { written, read } = enricher.bytesDone
  progress.update(Math.round(written / 1000))
  const { fetching, summary } = enricher
  const unknown = fetching + summary.fetched + summary.failed
  // As in the part of the file that has been read, so in the rest.
  const left = fetching + (read === 0 ? 0 : (unknown / read) * Math.max(size - read, 0))
  const toFetch = Math.round(left).toLocaleString('en-US')
  const time = duration(timeAtLimit(left, config) / 1000)
  progress.note(fetching === 0 ? null : `${toFetch} to fetch: about ${time} at OpenFIGI's limit`)
}
