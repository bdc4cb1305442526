import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { committedMigrations } from '../../src/database/migrations_folder.ts'

export interface Draft {
  readonly message: string
  readonly body: string
  /** The text of its file in `undo`, headers included; none is written where it is left out. */
  readonly undo?: string
}

/** Writes drafts as graphile-migrate's `commit` would, each with its hash over the one before. */
export async function writeMigrations(folder: string, drafts: readonly Draft[]): Promise<string> {
  await mkdir(join(folder, 'committed'), { recursive: true })
  await mkdir(join(folder, 'undo'), { recursive: true })
  for (const draft of drafts) await addMigration(folder, draft)
  return folder
}

/** Writes one more after those that are there. */
export async function addMigration(folder: string, { message, body, undo }: Draft): Promise<void> {
  const before = await committedMigrations(folder)
  const previous = before.at(-1)?.hash ?? ''
  const text = `${`${previous}\n${body.trim()}`.trim()}\n`
  const hash = `sha1:${createHash('sha1').update(text).digest('hex')}`
  const name = `${String(before.length + 1).padStart(6, '0')}-${message.replaceAll(' ', '-')}.sql`
  const header = `--! Previous: ${previous || '-'}\n--! Hash: ${hash}\n--! Message: ${message}\n\n`
  await writeFile(join(folder, 'committed', name), `${header}${body.trim()}\n`)
  if (undo !== undefined) await writeFile(join(folder, 'undo', name), `${undo.trim()}\n`)
}
