import type { Sql } from '../database/connect.ts'
import type { Logger } from '../log.ts'
import type { ListingPreference } from '../openfigi/markets.ts'
import { Importer } from './importer.ts'
import { openSources } from './open_sources.ts'

export interface ImportFileOptions {
  readonly sql: Sql
  readonly logger: Logger
  readonly preference: ListingPreference
  /** In milliseconds; NaN is refused. */
  readonly observedAt?: number | undefined
}

const mostLogged = 5

/** Imports one file, for programs: how many of its records were new. What is odd or rejected is logged. */
export async function importFile(path: string, options: ImportFileOptions): Promise<number> {
  const { sql, logger, preference, observedAt } = options
  if (Number.isNaN(observedAt)) throw new RangeError('observedAt is no valid date')
  if (observedAt !== undefined && observedAt > Date.now()) throw new RangeError('observedAt is in the future')
  const first: string[] = []
  const importer = new Importer({
    sql,
    reading: {
      preference,
      observedAt,
      now: Date.now(),
      onWarning: (sentence) => logger.warn({ file: path }, sentence),
      onBytes: () => {},
    },
    onAway: (sentence) => logger.warn({ file: path }, sentence),
    onRejects: async (rejects) => {
      const reasons = rejects.map(({ place, reason }) => `${place.line}: ${reason}`)
      first.push(...reasons.slice(0, mostLogged - first.length))
    },
  })
  await using opened = await openSources([path])
  try {
    for (const source of opened.sources) await importer.take(source)
  } finally {
    await importer.finish()
  }
  const { imported, rejected } = importer.counts
  if (rejected > 0) {
    logger.warn(
      { file: path, rejected, first },
      'Some records were rejected; pgfigi import lists all of them in a file',
    )
  }
  return imported
}
