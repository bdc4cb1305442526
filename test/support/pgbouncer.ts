import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { serverAccount } from '../../src/database/embedded_account.ts'
import { firstPort, freePort } from '../../src/database/embedded_port.ts'
import { until } from './until.ts'

const PROGRAM = '/usr/sbin/pgbouncer'

/** Runs `work` with the URL of a real PgBouncer in transaction mode, two server connections wide; false where there is none. */
export async function withPgBouncer(
  url: string,
  work: (pooledUrl: string) => Promise<void>,
): Promise<boolean> {
  const isThere = await access(PROGRAM).then(
    () => true,
    () => false,
  )
  if (!isThere) return false
  const folder = await mkdtemp(join(tmpdir(), 'pgbouncer-'))
  await chmod(folder, 0o755)
  const { hostname, port: serverPort, pathname, username, password } = new URL(url)
  // Anywhere: two files that began to look at the same place would both find it free.
  const port = await freePort(firstPort())
  const settings = join(folder, 'pgbouncer.ini')
  await writeFile(
    settings,
    `[databases]
${pathname.slice(1)} = host=${hostname} port=${serverPort} user=${username} password=${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
max_client_conn = 100
`,
  )
  await chmod(settings, 0o644)
  const account = await serverAccount(folder, folder)
  const bouncer = spawn(PROGRAM, ['-q', settings], {
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(account ? { uid: account.uid, gid: account.gid } : {}),
  })
  let said = ''
  bouncer.stderr.on('data', (chunk) => {
    said += chunk
  })
  const ended = once(bouncer, 'exit')
  const pooled = new URL(url)
  pooled.port = String(port)
  try {
    await until(`PgBouncer answers; it says: ${said}`, () => answers(pooled.href))
    await work(pooled.href)
  } finally {
    bouncer.kill('SIGTERM')
    await ended
    await rm(folder, { recursive: true, force: true })
  }
  return true
}

async function answers(url: string): Promise<boolean> {
  const sql = postgres(url, { max: 1, prepare: false, fetch_types: false, connect_timeout: 2 })
  try {
    await sql`select 1`
    return true
  } catch {
    return false
  } finally {
    await sql.end({ timeout: 1 })
  }
}
