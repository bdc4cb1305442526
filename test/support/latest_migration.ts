import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from './cluster.ts'

/** The number of the newest committed migration, as processes tell it. */
export const latestMigration =
  readdirSync(join(packageRoot, 'migrations', 'committed'))
    .sort()
    .at(-1)
    ?.slice(0, 6) ?? ''
