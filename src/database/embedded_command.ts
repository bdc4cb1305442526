import { spawn } from 'node:child_process'

/** The system user a command runs as; `null` is whoever runs us. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

export interface CommandResult {
  readonly code: number | null
  readonly output: string
}

export interface CommandOptions {
  readonly account?: Account | null
  readonly input?: string
}

/**
 * Runs a program of PostgreSQL to its end, in a process group of its own: a Ctrl-C in the terminal must not tear an
 * initdb or a pg_ctl in two.
 */
export function runCommand(
  file: string,
  args: readonly string[],
  { account = null, input = '' }: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: '/',
      env: environment(),
      detached: true,
      windowsHide: true,
      ...(account ? { uid: account.uid, gid: account.gid } : {}),
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (chunk: string) => {
        output += chunk
      })
    }
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
    child.stdin.on('error', () => {}) // the program may end without reading
    child.stdin.end(input)
  })
}

/** Messages in English, because some are read; nothing of libpq's PGHOST, PGPORT and PGDATA, which would be obeyed. */
function environment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !/^PG(?!FIGI_)/.test(name))
  return { ...Object.fromEntries(inherited), LC_ALL: 'C' }
}
