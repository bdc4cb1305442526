import { appendFile, chown, mkdir, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import postgres, { type Sql } from 'postgres'
import { acquireEmbedded } from '../../src/database/embedded.ts'
import { serverAccount } from '../../src/database/embedded_account.ts'
import { runCommand } from '../../src/database/embedded_command.ts'
import { freePort } from '../../src/database/embedded_port.ts'
import { makeHome, removeHome, throwawaySettings } from './cluster.ts'
import { endServer } from './own_cluster.ts'
import { otherServers } from './run_clusters.ts'
import { startDatabaseProxy, type TcpProxy } from './tcp_proxy.ts'
import { migrateToNow } from './template.ts'

/** A migrated database, and a server that follows it by streaming replication. */
export interface ReplicaStage {
  readonly primaryUrl: string
  readonly replicaUrl: string
  readonly primary: Sql
  readonly replica: Sql
  /** Waits until the replica has what the primary has now. */
  caughtUp(): Promise<void>
  /** Ends the replica the hard way. */
  stop(): Promise<void>
  start(): Promise<void>
  /** What the replica follows the primary through. */
  readonly replication: TcpProxy
  /** Makes the replica a primary of its own. */
  promote(): Promise<void>
  /** Ends the primary the hard way. */
  stopPrimary(): Promise<void>
  /** Starts it again as it was, on the same port. */
  startPrimary(): Promise<void>
}

/** Runs `work` with a primary and a replica of the system's PostgreSQL; false where there is none to make them of. */
export async function withReplica(work: (stage: ReplicaStage) => Promise<void>): Promise<boolean> {
  const [server] = (await otherServers()).slice(-1)
  if (!server?.binaries) return false
  const { binaries } = server
  const program = (name: string) => join(dirname(binaries.initdb), name)
  const home = await mkdtemp(join(tmpdir(), 'primary-'))
  await makeHome(home)
  await using users = new AsyncDisposableStack()
  const acquire = async () =>
    users.use(
      await acquireEmbedded({ home, settings: { ...throwawaySettings, max_connections: '60' }, binaries }),
    )
  const embedded = await acquire()
  const primaryUrl = embedded.url
  const account = await serverAccount(home, join(home, 'data'))
  const copy = await mkdtemp(join(tmpdir(), 'replica-'))
  await makeHome(copy)
  const data = join(copy, 'data')
  const run = async (name: string, ...args: string[]) => {
    const { code, output } = await runCommand(program(name), args, { account })
    if (code !== 0) throw new Error(`${name} ${args.join(' ')}: ${output}`)
  }
  const replicaUrl = new URL(embedded.url)
  // As patient as with the primary: the default is a minute.
  const control = (...args: string[]) => run('pg_ctl', ...args, '-w', '-s', '-t', '300', '-D', data)
  const start = () => control('start', '-l', join(data, 'log'), '-o', `-p ${replicaUrl.port}`)
  const stop = () => control('stop', '-m', 'immediate')
  await using replication = await startDatabaseProxy(primaryUrl)
  try {
    await mkdir(data, { mode: 0o700 })
    if (account) await chown(data, account.uid, account.gid)
    await migrateToNow(embedded.url)
    // The embedded database lets nobody replicate.
    await appendFile(join(home, 'data', 'pg_hba.conf'), 'host replication all 127.0.0.1/32 scram-sha-256\n')
    await run('pg_ctl', 'reload', '-s', '-D', join(home, 'data'))
    await run(
      'pg_basebackup',
      '-D',
      data,
      '-d',
      replication.urlOf(primaryUrl),
      '-R',
      '-c',
      'fast',
      '-X',
      'stream',
      '--no-sync',
    )
    // Only now: a port that was free some seconds ago may be another server's.
    replicaUrl.port = String(await freePort(Number(new URL(primaryUrl).port) + 1))
    await start()
    const primary = postgres(embedded.url, { max: 3, onnotice: () => {} })
    const replica = postgres(replicaUrl.href, { max: 2, onnotice: () => {} })
    try {
      await work({
        primaryUrl,
        replicaUrl: replicaUrl.href,
        primary,
        replica,
        start,
        stop,
        replication,
        promote: () => control('promote'),
        stopPrimary: () => endServer(home, 'SIGQUIT'),
        async startPrimary() {
          const again = await acquire()
          if (again.url !== primaryUrl) throw new Error('the primary came back on another port')
        },
        async caughtUp() {
          const [row] = await primary<[{ lsn: string }]>`select pg_current_wal_insert_lsn()::text as lsn`
          for (;;) {
            const [now] = await replica`select pg_last_wal_replay_lsn() >= ${row.lsn}::text::pg_lsn as has_it`
            if (now?.has_it) return
            await new Promise((resolve) => setTimeout(resolve, 20))
          }
        },
      })
    } finally {
      await Promise.all([primary.end({ timeout: 1 }), replica.end({ timeout: 1 })])
      await stop().catch(() => {})
    }
  } finally {
    await users.disposeAsync()
    await removeHome(home)
    await removeHome(copy)
  }
  return true
}
