import { stat } from 'node:fs/promises'
import { EmbeddedError } from '../errors/embedded_error.ts'
import { type Account, runCommand } from './embedded_command.ts'

const NAME = 'postgres'

/**
 * Who runs the server. PostgreSQL refuses root, so root hands the server to whoever owns the data or the home, and
 * where that is root too, to the system user `postgres`, which is created where it is missing. Anybody else runs it
 * himself: null.
 */
export async function serverAccount(home: string, data: string): Promise<Account | null> {
  if (process.getuid?.() !== 0) return null
  for (const folder of [data, home]) {
    const owner = await stat(folder).catch(() => null)
    if (owner && owner.uid !== 0) return { name: `number ${owner.uid}`, uid: owner.uid, gid: owner.gid }
  }
  return (await lookUp()) ?? (await create())
}

/** Whether the account may enter the folder: asked of the kernel, which knows of groups and access lists. */
export async function canEnter(account: Account, folder: string): Promise<boolean> {
  const { code } = await runCommand('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { account })
  return code === 0
}

async function lookUp(): Promise<Account | null> {
  const ids = await Promise.all([runCommand('id', ['-u', NAME]), runCommand('id', ['-g', NAME])])
  if (ids.some(({ code }) => code !== 0)) return null
  const [uid = 0, gid = 0] = ids.map(({ output }) => Number.parseInt(output, 10))
  return { name: NAME, uid, gid }
}

async function create(): Promise<Account> {
  const attempts = [
    await attempt('groupadd', ['--system', '--force', NAME]),
    await attempt('useradd', [
      '--system',
      '--gid',
      NAME,
      '--no-create-home',
      '--shell',
      '/usr/sbin/nologin',
      NAME,
    ]),
  ]
  const account = await lookUp()
  if (account) return account
  throw new EmbeddedError(
    'no_account',
    `PostgreSQL does not run as root, and the system user ${NAME} to run it could not be created ` +
      `(${attempts.filter(Boolean).join('; ')}): create that user, or run pgfigi as an ordinary user, or set DATABASE_URL.`,
  )
}

async function attempt(program: string, args: readonly string[]): Promise<string> {
  const result = await runCommand(program, args).catch((error: Error) => ({
    code: -1,
    output: error.message,
  }))
  return result.code === 0 ? '' : `${program}: ${result.output.trim()}`
}
