import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../support/cluster.ts'

export interface Page {
  /** From the root of the package. */
  readonly path: string
  readonly text: string
}

/** The pages of a folder of docs. */
export async function pagesOf(folder: string): Promise<Page[]> {
  const names = await readdir(join(packageRoot, 'docs', folder))
  return Promise.all(
    names
      .filter((name) => name.endsWith('.md'))
      .sort()
      .map(async (name) => {
        const path = join('docs', folder, name)
        return { path, text: await readFile(join(packageRoot, path), 'utf8') }
      }),
  )
}

/** All that an operator reads when something is to be done. */
export async function readPages(): Promise<Page[]> {
  return [...(await pagesOf('runbooks')), ...(await pagesOf('operations'))]
}

/** The blocks of code in one language. */
export function blocksOf({ text }: Page, language: string): string[] {
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap(([, name, block = '']) =>
    name === language ? [block] : [],
  )
}

/** The SQL of a runbook below "What to do". */
export async function remediesOf(name: string): Promise<string[]> {
  const page = (await pagesOf('runbooks')).find(({ path }) => path.endsWith(`/${name}.md`))
  const [, part = ''] = /^## What to do\n([\s\S]*?)^## /m.exec(page?.text ?? '') ?? []
  const found = blocksOf({ path: name, text: part }, 'sql')
  if (found.length === 0) throw new Error(`${name}.md says nothing in SQL`)
  return found
}
