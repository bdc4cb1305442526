import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { latestMigration } from '../database/migrations_folder.ts'
import { packageVersion } from '../package_version.ts'

export type ProcessKind = 'worker' | 'client' | 'command'

/** What figi_private.processes says of a process; the names are those that figi_private.record_counts reads. */
export interface ProcessIdentity {
  /** A random name, new with each process: pids come again. */
  readonly process: string
  readonly kind: ProcessKind
  readonly host: string
  readonly pid: number
  readonly version: string
  /** The newest migration that this pgfigi brings along; null where it brings none, as when it is bundled. */
  readonly latest_migration: string | null
  /** Under which names its graphile-workers lock jobs. */
  readonly worker_ids: readonly string[]
}

export async function processIdentity(kind: ProcessKind): Promise<Omit<ProcessIdentity, 'worker_ids'>> {
  return {
    process: randomUUID(),
    kind,
    host: hostname(),
    pid: process.pid,
    version: packageVersion(),
    latest_migration: await newestMigration(),
  }
}

async function newestMigration(): Promise<string | null> {
  try {
    return await latestMigration()
  } catch {
    return null
  }
}
