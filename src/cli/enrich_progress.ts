import type { Config } from '../config.ts'
import type { Enricher } from '../enrich/enricher.ts'
import { timeAtLimit } from '../openfigi/time_at_limit.ts'
import type { Context } from './context.ts'
import { duration, Progress } from './progress.ts'

/** A bar of what is written of a file, with the time that OpenFIGI's limit still takes for what is to be fetched. */
export class EnrichProgress extends Progress {
  readonly #size: number
  readonly #config: Config

  /** The size of the file in bytes. */
  constructor(context: Context, size: number, config: Config) {
    super(context, 'kB', Math.ceil(size / 1000))
    this.#size = size
    this.#config = config
  }

  show({ bytesDone: { read, written }, fetching, summary }: Enricher): void {
    this.update(Math.round(written / 1000))
    const unknown = fetching + summary.fetched + summary.failed
    // As in the part of the file that has been read, so in the rest.
    const left = fetching + (read === 0 ? 0 : (unknown / read) * Math.max(this.#size - read, 0))
    const toFetch = Math.round(left).toLocaleString('en-US')
    const time = duration(timeAtLimit(left, this.#config) / 1000)
    this.note(fetching === 0 ? null : `${toFetch} to fetch: about ${time} at OpenFIGI's limit`)
  }
}
