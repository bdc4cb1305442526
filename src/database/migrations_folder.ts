import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A migration as it is published: graphile-migrate knows it by its hash and by `filename`. */
export interface CommittedMigration {
  /** With its message's slug, such as 000001-security-mappings. */
  readonly name: string
  /** As graphile-migrate records it, such as 000001.sql. */
  readonly filename: string
  readonly hash: string
  readonly message: string | null
}

/** The package's own `migrations`: found upwards, because a build puts this module two folders deeper than a checkout. */
export function migrationsFolder(from: string = dirname(fileURLToPath(import.meta.url))): string {
  const folder = join(from, 'migrations')
  if (existsSync(join(folder, 'committed'))) return folder
  const parent = dirname(from)
  if (parent === from)
    throw new Error('The package pgfigi is incomplete: its folder migrations/committed is missing')
  return migrationsFolder(parent)
}

/** The number of the newest one, such as 000002. */
export async function latestMigration(folder: string = migrationsFolder()): Promise<string | null> {
  return (await committedFiles(folder)).at(-1)?.slice(0, 6) ?? null
}

export async function committedMigrations(folder: string): Promise<CommittedMigration[]> {
  return Promise.all(
    (await committedFiles(folder)).map(async (name) => {
      const text = await readFile(join(folder, 'committed', name), 'utf8')
      const header = (key: string) => text.match(new RegExp(`^--! ${key}: (.*)$`, 'm'))?.[1]?.trim() ?? null
      return {
        name: name.slice(0, -'.sql'.length),
        filename: `${name.slice(0, 6)}.sql`,
        hash: header('Hash') ?? '',
        message: header('Message'),
      }
    }),
  )
}

/** In their order. */
async function committedFiles(folder: string): Promise<string[]> {
  return (await readdir(join(folder, 'committed'))).filter((name) => /^\d{6}.*\.sql$/.test(name)).sort()
}
