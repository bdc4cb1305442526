import { appendFile, chown, mkdir, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import postgres, { type Sql } from 'postgres'
import { acquireEmbedded } from '../../src/database/embedded.ts'
import { serverAccount } from '../../src/database/embedded_account.ts'
import { runCommand } from '../../src/database/embedded_command.ts'
import { freePort } from '../../src/database/embedded_port.ts'
import { makeHome, removeHome, throwawaySettings } from './cluster.ts'
import { otherServers } from './run_clusters.ts'
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
}

/** Runs `work` with a primary and a replica of the system's PostgreSQL; false where there is none to make them of. */
export async function withReplica(work: (stage: ReplicaStage) => Promise<void>): Promise<boolean> {
  const [server] = (await otherServers()).slice(-1)
  if (!server?.binaries) return false
  const { binaries } = server
  const program = (name: string) => join(dirname(binaries.initdb), name)
  const home = await mkdtemp(join(tmpdir(), 'primary-'))
  await makeHome(home)
  const embedded = await acquireEmbedded({
    home,
    settings: { ...throwawaySettings, max_connections: '40' },
    binaries,
  })
  const account = await serverAccount(home, join(home, 'data'))
  const copy = await mkdtemp(join(tmpdir(), 'replica-'))
  await makeHome(copy)
  const data = join(copy, 'data')
  const port = await freePort(Number(new URL(embedded.url).port) + 1)
  const run = async (name: string, ...args: string[]) => {
    const { code, output } = await runCommand(program(name), args, { account })
    if (code !== 0) throw new Error(`${name} ${args.join(' ')}: ${output}`)
  }
  const start = () =>
    run('pg_ctl', 'start', '-w', '-s', '-D', data, '-l', join(data, 'log'), '-o', `-p ${port}`)
  const stop = () => run('pg_ctl', 'stop', '-m', 'immediate', '-w', '-s', '-D', data)
  const replicaUrl = new URL(embedded.url)
  replicaUrl.port = String(port)
  try {
    await mkdir(data, { mode: 0o700 })
    if (account) await chown(data, account.uid, account.gid)
    await migrateToNow(embedded.url)
    // The embedded database lets nobody replicate.
    await appendFile(join(home, 'data', 'pg_hba.conf'), 'host replication all 127.0.0.1/32 scram-sha-256\n')
    await run('pg_ctl', 'reload', '-s', '-D', join(home, 'data'))
    await run('pg_basebackup', '-D', data, '-d', embedded.url, '-R', '-c', 'fast', '-X', 'stream')
    await start()
    const primary = postgres(embedded.url, { max: 3, onnotice: () => {} })
    const replica = postgres(replicaUrl.href, { max: 2, onnotice: () => {} })
    try {
      await work({
        primaryUrl: embedded.url,
        replicaUrl: replicaUrl.href,
        primary,
        replica,
        start,
        stop,
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
    await embedded.release()
    await removeHome(home)
    await removeHome(copy)
  }
  return true
}
