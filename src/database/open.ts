import type { Config } from '../config.ts'
import type { Logger } from '../log.ts'

/** A database to work with, to be released when done. */
export interface OpenDatabase extends AsyncDisposable {
  readonly url: string
  /** Whether it is the embedded one, which comes and goes with its users. */
  readonly isEmbedded: boolean
  release(): Promise<void>
}

/** The database of DATABASE_URL as it is; without one the embedded database, brought up and migrated. */
export async function openDatabase(config: Config, logger?: Logger): Promise<OpenDatabase> {
  if (config.databaseUrl !== undefined) {
    const release = async () => {}
    return { url: config.databaseUrl, isEmbedded: false, release, [Symbol.asyncDispose]: release }
  }
  // Only here, since they bring graphile-migrate and graphile-worker along, which take longer to load than most commands run.
  const { acquireEmbedded } = await import('./embedded.ts')
  const { migrateUp } = await import('./migrate.ts')
  const options = logger ? { logger } : {}
  const embedded = await acquireEmbedded({ home: config.home, ...options })
  try {
    await migrateUp(embedded.url, options)
  } catch (error) {
    await embedded.release()
    throw error
  }
  return {
    url: embedded.url,
    isEmbedded: true,
    release: embedded.release,
    [Symbol.asyncDispose]: embedded.release,
  }
}
