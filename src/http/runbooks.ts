import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../package_root.ts'

const folder = join(packageRoot, 'docs', 'runbooks')

/** The text of a runbook, as Markdown; null where there is none of that name. */
export async function readRunbook(name: string): Promise<string | null> {
  if (!/^[a-z0-9][a-z0-9_-]{0,60}$/i.test(name)) return null
  try {
    return await readFile(join(folder, `${name}.md`), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
