import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface Draft {
  readonly message: string
  readonly body: string
}

/** Writes drafts as graphile-migrate's `commit` would, each with its hash over the one before. */
export async function writeMigrations(folder: string, drafts: readonly Draft[]): Promise<string> {
  await mkdir(join(folder, 'committed'), { recursive: true })
  let previous = ''
  for (const [index, { message, body }] of drafts.entries()) {
    const text = `${`${previous}\n${body.trim()}`.trim()}\n`
    const hash = `sha1:${createHash('sha1').update(text).digest('hex')}`
    const name = `${String(index + 1).padStart(6, '0')}-${message.replaceAll(' ', '-')}.sql`
    const header = `--! Previous: ${previous || '-'}\n--! Hash: ${hash}\n--! Message: ${message}\n\n`
    await writeFile(join(folder, 'committed', name), `${header}${body.trim()}\n`)
    previous = hash
  }
  return folder
}
