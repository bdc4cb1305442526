import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CommittedMigration } from './migrations_folder.ts'

/** A table, by schema and name. */
export type Table = readonly [schema: string, name: string]

/** How a committed migration is taken back: `migrations/undo/<its six digits>*.sql`, run in one transaction. */
export interface Undo {
  readonly file: string
  /** Tables whose rows it would lose, by its header `--! Loses: schema.table, schema.table`. */
  readonly loses: readonly Table[]
  /** Tables whose rows nobody would miss, by its header `--! Discards:`. */
  readonly discards: readonly Table[]
}

/** The undo of a migration; null where nobody wrote one. Throws where a header of it names no table. */
export async function undoOf({ filename }: CommittedMigration, folder: string): Promise<Undo | null> {
  const number = filename.slice(0, 6)
  const names = await readdir(join(folder, 'undo')).catch(() => [])
  const name = names.find((one) => one.startsWith(number) && one.endsWith('.sql'))
  if (name === undefined) return null
  const file = join(folder, 'undo', name)
  const text = await readFile(file, 'utf8')
  return { file, loses: tablesOf('Loses', text, file), discards: tablesOf('Discards', text, file) }
}

function tablesOf(header: string, text: string, file: string): Table[] {
  const list = text.match(new RegExp(`^--! ${header}: (.*)$`, 'm'))?.[1]
  if (list === undefined) return []
  return list.split(',').map((one) => {
    const [, schema, name] = one.trim().match(/^([a-z_][a-z0-9_]*)\.([a-z_][a-z0-9_]*)$/) ?? []
    if (schema !== undefined && name !== undefined) return [schema, name]
    throw new Error(
      `${file}: its header ${header} names "${one.trim()}", which is not of the form schema.table.`,
    )
  })
}
