import { execFile } from 'node:child_process'
import { access, readdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { interruption, temporaryFolder } from './clean_up.ts'

const run = promisify(execFile)

export interface Pgbench {
  readonly program: string
  readonly version: string
}

export type Protocol = 'prepared' | 'simple'

export interface Load {
  readonly url: string
  readonly protocol: Protocol
  readonly script: string
  readonly variables: Readonly<Record<string, number>>
  readonly clients: number
  readonly seconds: number
}

/** The newest one in Debian's folders, else the one on the path; null where there is none. An older one works with a newer server. */
export async function findPgbench(): Promise<Pgbench | null> {
  const debian = '/usr/lib/postgresql'
  const versions = (await readdir(debian).catch(() => [])).sort((a, b) => Number(b) - Number(a))
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter),
  ]
  for (const folder of folders) {
    const program = join(folder, 'pgbench')
    const isThere = await access(program).then(
      () => true,
      () => false,
    )
    if (!isThere) continue
    const { stdout } = await run(program, ['--version'])
    return { program, version: stdout.trim() }
  }
  return null
}

/** Transactions a second. */
export async function runPgbench({ program }: Pgbench, load: Load): Promise<number> {
  const folder = temporaryFolder('pgbench')
  const file = join(folder, 'script.sql')
  await writeFile(file, load.script)
  const { hostname, port, username, password, pathname } = new URL(load.url)
  const variables = Object.entries(load.variables).flatMap(([name, value]) => ['-D', `${name}=${value}`])
  const args = [
    ...[
      '-n',
      '-f',
      file,
      '-M',
      load.protocol,
      '-T',
      String(load.seconds),
      '-c',
      String(load.clients),
      '-j',
      '2',
    ],
    ...variables,
    decodeURIComponent(pathname.slice(1)),
  ]
  const env = {
    ...process.env,
    PGHOST: hostname,
    PGPORT: port,
    PGUSER: decodeURIComponent(username),
    PGPASSWORD: decodeURIComponent(password),
  }
  const { stdout } = await run(program, args, { env, signal: interruption.signal })
  const tps = /^tps = ([\d.]+)/m.exec(stdout)?.[1]
  if (!tps || !/number of failed transactions: 0 /.test(stdout)) throw new Error(`pgbench failed:\n${stdout}`)
  return Number(tps)
}
