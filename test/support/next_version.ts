import { cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { packageRoot } from './cluster.ts'
import { addMigration, type Draft } from './migrations_maker.ts'

const leftOut = new Set(['node_modules', 'test', '.git', 'dist'])

/** A copy of pgfigi that brings one migration more along, as the next version will; `work` is given its program for `run`. */
export async function withNextVersion<T>(draft: Draft, work: (main: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'next-version-'))
  try {
    await cp(packageRoot, folder, {
      recursive: true,
      filter: (source) => source === packageRoot || !leftOut.has(basename(source)),
    })
    await symlink(join(packageRoot, 'node_modules'), join(folder, 'node_modules'))
    await addMigration(join(folder, 'migrations'), draft)
    return await work(join(folder, 'src', 'cli', 'main.ts'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
